/** Mount options as of mount(8): the generic ones are flags of mount(2), the others go to the file system. Pure. */
import { TsnetError } from '../errors.ts'
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
} from '../sys/constants/mount.ts'

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

/** tmpfs(5) */
const tmpfsOption =
  /^((size|nr_blocks|nr_inodes)=\d+[kmg%]?|mode=[0-7]{1,4}|[ug]id=\d+|mpol=(default|prefer|bind|interleave|local)\S*)$/i

/** Throws kind 'invalid' that names the options which no tmpfs has. */
export function checkTmpfsOptions(options: string): void {
  const { data } = parseMountOptions(options, 0)
  const wrong = data.split(',').filter((option) => option !== '' && !tmpfsOption.test(option))
  if (wrong.length === 0) return
  throw new TsnetError(
    'invalid',
    'bad-tmpfs-option',
    `invalid tmpfs option ${JSON.stringify(wrong)}: there are size=, mode=, uid=, gid=, nr_inodes=, nr_blocks=, mpol= and mount(8)'s own`,
  )
}

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
