/** A tmpfs in HostConfig.Mounts: its TmpfsOptions become mount options and back. */
import type { MountRequest } from '../../store/records.ts'
import type { Mount } from '../schema/mount.ts'
import { badConfig } from './mount-rules.ts'

export function fromTmpfsObject(mount: Mount): Partial<MountRequest> {
  if (mount.Source) throw badConfig('tmpfs', 'field Source must not be specified')
  const { SizeBytes: size, Mode: mode, Options: words } = mount.TmpfsOptions ?? {}
  if ((size ?? 0) < 0) throw badConfig('tmpfs', `invalid size: ${size} bytes`)
  if ((mode ?? 0) < 0) throw badConfig('tmpfs', `invalid mode: ${mode}`)
  const options = [
    ...(mount.ReadOnly === true ? ['ro'] : []),
    ...(mode ? [`mode=${mode.toString(8)}`] : []),
    ...(size ? [`size=${size}`] : []),
    ...(words ?? []).map(toTmpfsOption),
  ]
  return { options: options.join(',') }
}

/** Docker lets through only what mount(8) would take without harm. */
function toTmpfsOption(words: readonly string[]): string {
  const [name = '', ...rest] = words
  if (words.length < 1 || words.length > 2) throw badConfig('tmpfs', 'invalid option array length')
  if (name !== 'exec' && name !== 'noexec') throw badConfig('tmpfs', `invalid option: ${name}`)
  return [name, ...rest].join('=')
}

export function toTmpfsOptions(options: string): NonNullable<Mount['TmpfsOptions']> {
  const words = options.split(',')
  const valueAt = (name: string): string | undefined =>
    words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1)
  const flags = words.filter((word) => word === 'exec' || word === 'noexec')
  const [mode, size] = [valueAt('mode'), valueAt('size')]
  return {
    ...(size !== undefined && { SizeBytes: Number(size) }),
    ...(mode !== undefined && { Mode: Number.parseInt(mode, 8) }),
    ...(flags.length > 0 && { Options: flags.map((flag) => [flag]) }),
  }
}
