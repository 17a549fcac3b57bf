/** Mount options as of mount(8): the generic ones are flags of mount(2), the others go to the file system. Pure. */
import {
  MS_BIND,
  MS_DIRSYNC,
  MS_LAZYTIME,
  MS_MANDLOCK,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_RELATIME,
  MS_SHARED,
  MS_SLAVE,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
  MS_UNBINDABLE,
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
  ['mand', MS_MANDLOCK],
])

const clearing = new Map([
  ['rw', MS_RDONLY],
  ['suid', MS_NOSUID],
  ['dev', MS_NODEV],
  ['exec', MS_NOEXEC],
  ['async', MS_SYNCHRONOUS],
  ['atime', MS_NOATIME],
  ['diratime', MS_NODIRATIME],
  ['norelatime', MS_RELATIME],
  ['nostrictatime', MS_STRICTATIME],
  ['nomand', MS_MANDLOCK],
  ['defaults', 0],
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

/** What only who mounts a device may say. */
const settingOfSource = new Map([
  ['bind', MS_BIND],
  ['rbind', MS_BIND | MS_REC],
])

const propagations = new Map(
  Object.entries({
    private: MS_PRIVATE,
    shared: MS_SHARED,
    slave: MS_SLAVE,
    unbindable: MS_UNBINDABLE,
  }).flatMap(([name, flag]): [string, number][] => [
    [name, flag],
    [`r${name}`, flag | MS_REC],
  ]),
)

export interface SourceOptions {
  readonly flags: number
  /** For a call of its own after the mount; 0 for none. */
  readonly propagation: number
  readonly data: string
}

/** The options of a device: also `bind`, and propagation. In order, so that the last one counts. */
export function parseSourceOptions(options: string): SourceOptions {
  let { flags, propagation } = { flags: 0, propagation: 0 }
  const data: string[] = []
  for (const option of options.split(',')) {
    const common = parseMountOptions(option, flags)
    if (propagations.has(option)) propagation = propagations.get(option) ?? 0
    else if (settingOfSource.has(option)) flags |= settingOfSource.get(option) ?? 0
    // mount(8) itself finds a loop device
    else if (option !== 'loop') {
      flags = common.flags
      if (common.data !== '') data.push(common.data)
    }
  }
  return { flags, propagation, data: data.join(',') }
}
