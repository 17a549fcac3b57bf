/** Mount options as of mount(8): the generic ones are flags of mount(2), the others go to the file system. Pure. */
import {
  MS_DIRSYNC,
  MS_LAZYTIME,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_RELATIME,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
} from './constants/mount.ts'

const setting = new Map([
  ['ro', MS_RDONLY],
  ['nosuid', MS_NOSUID],
  ['nodev', MS_NODEV],
  ['noexec', MS_NOEXEC],
  ['sync', MS_SYNCHRONOUS],
  ['dirsync', MS_DIRSYNC],
  ['noatime', MS_NOATIME],
  ['nodiratime', MS_NODIRATIME],
  ['relatime', MS_RELATIME],
  ['strictatime', MS_STRICTATIME],
  ['lazytime', MS_LAZYTIME],
])

const clearing = new Map([
  ['rw', MS_RDONLY],
  ['suid', MS_NOSUID],
  ['dev', MS_NODEV],
  ['exec', MS_NOEXEC],
  ['async', MS_SYNCHRONOUS],
  ['atime', MS_NOATIME],
  ['diratime', MS_NODIRATIME],
])

/** `flags` are the defaults from which the options depart, in order. */
export function parseMountOptions(options: string, flags: number): { flags: number; data: string } {
  const data: string[] = []
  for (const option of options.split(',')) {
    if (setting.has(option)) flags |= setting.get(option) ?? 0
    else if (clearing.has(option)) flags &= ~(clearing.get(option) ?? 0)
    else if (option !== '') data.push(option)
  }
  return { flags, data: data.join(',') }
}
