/** Mounts as HostConfig.Mounts holds them. */
import type { MountRequest } from '../../store/records.ts'
import type { Mount } from '../schema/mount.ts'
import {
  absoluteProblem,
  badConfig,
  cleanPath,
  cleanTarget,
  invalid,
  noMount,
  type Propagation,
  propagations,
} from './mount-rules.ts'
import { unsupported } from './unsupported-options.ts'

/** One entry of HostConfig.Mounts. Throws kind 'invalid' with Docker's texts, 'unsupported' for what is not done here. */
export function fromMountObject(mount: Mount): MountRequest {
  const type = mount.Type ?? ''
  refuseForeignOptions(type, mount)
  switch (type) {
    case 'bind':
      return fromBindObject(mount)
    case 'volume':
      return fromVolumeObject(mount)
    case 'tmpfs':
      return fromTmpfsObject(mount)
    case 'image':
    case 'cluster':
    case 'npipe':
      throw unsupported(`mount type "${type}" is not supported: use bind, volume or tmpfs`)
    default:
      throw badConfig(type, 'mount type unknown')
  }
}

function refuseForeignOptions(type: string, mount: Mount): void {
  const owners = { BindOptions: 'bind', VolumeOptions: 'volume', TmpfsOptions: 'tmpfs' } as const
  for (const [name, owner] of Object.entries(owners)) {
    if (mount[name as keyof typeof owners] != null && type !== owner) {
      throw invalid(`${name} must not be specified on mount type "${type}"`)
    }
  }
}

function fromBindObject(mount: Mount): MountRequest {
  const target = cleanTarget('bind', mount.Target ?? '')
  const source = mount.Source ?? ''
  if (source === '') throw badConfig('bind', 'field Source must not be empty')
  const problem = absoluteProblem(source)
  if (problem !== null) throw badConfig('bind', problem)
  const options = mount.BindOptions ?? {}
  const propagation = options.Propagation ?? ''
  if (propagation !== '' && !propagations.includes(propagation)) {
    throw badConfig('bind', `invalid propagation mode: ${propagation}`)
  }
  for (const name of ['NonRecursive', 'ReadOnlyNonRecursive', 'ReadOnlyForceRecursive'] as const) {
    if (options[name] === true) throw unsupported(`BindOptions.${name} is not supported: binds are recursive`)
  }
  return {
    ...noMount,
    type: 'bind',
    source: cleanPath(source),
    target,
    readOnly: mount.ReadOnly === true,
    createSource: options.CreateMountpoint === true,
    propagation: propagation as Propagation,
  }
}

function fromVolumeObject(mount: Mount): MountRequest {
  const target = cleanTarget('volume', mount.Target ?? '')
  const source = mount.Source ?? ''
  const readOnly = mount.ReadOnly === true
  const options = mount.VolumeOptions ?? {}
  if (options.Subpath)
    throw unsupported('VolumeOptions.Subpath is not supported: a volume is mounted as a whole')
  if (readOnly && source === '')
    throw badConfig('volume', 'must not set ReadOnly mode when using anonymous volumes')
  return {
    ...noMount,
    source,
    target,
    readOnly,
    noCopy: options.NoCopy === true,
    driver: options.DriverConfig?.Name ?? '',
    driverOptions: options.DriverConfig?.Options ?? {},
    labels: options.Labels ?? {},
  }
}

function fromTmpfsObject(mount: Mount): MountRequest {
  const target = cleanTarget('tmpfs', mount.Target ?? '')
  if (mount.Source) throw badConfig('tmpfs', 'field Source must not be specified')
  const { SizeBytes: size, Mode: mode, Options: words } = mount.TmpfsOptions ?? {}
  if ((size ?? 0) < 0) throw badConfig('tmpfs', `invalid size: ${size} bytes`)
  const options = [
    ...(mount.ReadOnly === true ? ['ro'] : []),
    ...(mode ? [`mode=${mode.toString(8)}`] : []),
    ...(size ? [`size=${size}`] : []),
    ...(words ?? []).map(toTmpfsOption),
  ]
  return { ...noMount, type: 'tmpfs', target, readOnly: mount.ReadOnly === true, options: options.join(',') }
}

/** Docker lets through only what mount(8) would take without harm. */
function toTmpfsOption(words: readonly string[]): string {
  const [name = '', ...rest] = words
  if (words.length < 1 || words.length > 2) throw badConfig('tmpfs', 'invalid option array length')
  if (name !== 'exec' && name !== 'noexec') throw badConfig('tmpfs', `invalid option: ${name}`)
  return [name, ...rest].join('=')
}

/** The same mount in the same syntax. */
export function toMountObject(mount: MountRequest): Mount {
  return {
    Type: mount.type,
    ...(mount.source !== '' && { Source: mount.source }),
    Target: mount.target,
    ...(mount.readOnly && { ReadOnly: true }),
    ...mountOptions[mount.type](mount),
  }
}

const mountOptions: Readonly<Record<MountRequest['type'], (mount: MountRequest) => Mount>> = {
  bind: ({ propagation, createSource }) => {
    const options = {
      ...(propagation !== '' && { Propagation: propagation }),
      ...(createSource && { CreateMountpoint: true }),
    }
    return Object.keys(options).length > 0 ? { BindOptions: options } : {}
  },
  volume: ({ noCopy, labels, driver, driverOptions }) => {
    const options = {
      ...(noCopy && { NoCopy: true }),
      ...(Object.keys(labels).length > 0 && { Labels: labels }),
      ...(driver !== '' && { DriverConfig: { Name: driver, Options: driverOptions } }),
    }
    return Object.keys(options).length > 0 ? { VolumeOptions: options } : {}
  },
  image: ({ subpath }) => (subpath === '' ? {} : { ImageOptions: { Subpath: subpath } }),
  tmpfs: ({ options }) => {
    const words = options.split(',').filter((word) => word !== '' && word !== 'ro')
    const valueAt = (name: string): string | undefined =>
      words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1)
    const flags = words.filter((word) => word === 'exec' || word === 'noexec')
    const [mode, size] = [valueAt('mode'), valueAt('size')]
    const fields = {
      ...(size !== undefined && { SizeBytes: Number(size) }),
      ...(mode !== undefined && { Mode: Number.parseInt(mode, 8) }),
      ...(flags.length > 0 && { Options: flags.map((flag) => [flag]) }),
    }
    return Object.keys(fields).length > 0 ? { TmpfsOptions: fields } : {}
  },
}
