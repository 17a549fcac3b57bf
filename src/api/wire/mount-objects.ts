/** Mounts as HostConfig.Mounts holds them. */
import { noMount } from '../../engine/plan-mounts.ts'
import type { MountRequest, Recursion } from '../../store/records.ts'
import { formatIdmap, parseIdmap } from '../../values/idmap.ts'
import { propagations } from '../../values/mount-mode.ts'
import { parseOwner } from '../../values/owner.ts'
import type { Mount } from '../schema/mount.ts'
import { absoluteProblem, badConfig, checkTarget, invalid, subpathProblem } from './mount-rules.ts'
import { fromTmpfsObject, toTmpfsOptions } from './tmpfs-objects.ts'

type Options<Name extends keyof Mount> = NonNullable<Mount[Name]>

/** One entry of HostConfig.Mounts. Throws kind 'invalid' with Docker's texts. */
export function fromMountObject(mount: Mount): MountRequest {
  const type = mount.Type ?? ''
  refuseForeignOptions(type, mount)
  checkTarget(type, mount.Target ?? '')
  const read = Object.hasOwn(readers, type) ? readers[type as MountRequest['type']] : undefined
  if (read === undefined) throw badConfig(type, 'mount type unknown')
  return {
    ...noMount,
    type: type as MountRequest['type'],
    source: mount.Source ?? '',
    target: mount.Target ?? '',
    readOnly: mount.ReadOnly === true,
    consistency: toConsistency(type, mount.Consistency ?? ''),
    ...read(mount),
  }
}

const readers: Readonly<Record<MountRequest['type'], (mount: Mount) => Partial<MountRequest>>> = {
  bind: fromBindObject,
  volume: fromVolumeObject,
  image: fromImageObject,
  tmpfs: fromTmpfsObject,
}

function refuseForeignOptions(type: string, mount: Mount): void {
  const owners = { VolumeOptions: 'volume', BindOptions: 'bind', TmpfsOptions: 'tmpfs' } as const
  for (const [name, owner] of Object.entries(owners)) {
    if (mount[name as keyof typeof owners] != null && type !== owner) {
      throw invalid(`${name} must not be specified on mount type "${type}"`)
    }
  }
  const younger = { ImageOptions: 'image', ClusterOptions: 'cluster' } as const
  for (const [name, owner] of Object.entries(younger)) {
    if (mount[name as keyof typeof younger] != null && type !== owner) {
      throw badConfig(type, `field ${name} must not be specified`)
    }
  }
}

/** Docker takes any text; nothing is done by it there, nor here. */
const consistencies = ['', 'default', 'consistent', 'cached', 'delegated'] as const

function toConsistency(type: string, text: string): MountRequest['consistency'] {
  const known = consistencies.find((one) => one === text)
  if (known !== undefined) return known
  throw badConfig(type, `invalid consistency: ${text}: there are ${consistencies.slice(1).join(', ')}`)
}

function fromBindObject(mount: Mount): Partial<MountRequest> {
  const source = mount.Source ?? ''
  if (source === '') throw badConfig('bind', 'field Source must not be empty')
  const options = mount.BindOptions ?? {}
  const propagation = options.Propagation ?? ''
  const known = propagations.find((one) => one === propagation)
  if (propagation !== '' && known === undefined)
    throw badConfig('bind', `invalid propagation mode: ${propagation}`)
  const problem = absoluteProblem(source)
  if (problem !== null) throw badConfig('bind', problem)
  const createSource = options.CreateMountpoint === true
  if (options.Own && !createSource)
    throw badConfig('bind', 'field BindOptions.Own is for sources that are made: set CreateMountpoint too')
  return {
    createSource,
    propagation: known ?? '',
    recursion: toRecursion(options, mount.ReadOnly === true),
    ...toOwners('bind', options),
  }
}

function toRecursion(options: Options<'BindOptions'>, readOnly: boolean): Recursion {
  const { NonRecursive: none, ReadOnlyNonRecursive: writable, ReadOnlyForceRecursive: forced } = options
  const conflict = (what: string) => invalid(`mount options conflict: ${what}`)
  if (!readOnly && writable) throw conflict('!ReadOnly && BindOptions.ReadOnlyNonRecursive')
  if (!readOnly && forced) throw conflict('!ReadOnly && BindOptions.ReadOnlyForceRecursive')
  if (writable && forced) throw conflict('ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive')
  // Of a mount without those below it there is nothing else to be read-only or not.
  if (none) return 'disabled'
  if (writable) return 'writable'
  return forced ? 'readonly' : 'enabled'
}

/** tsnet's own. */
function toOwners(type: string, options: { IDMap?: string | null; Own?: string | null }) {
  try {
    if (options.Own) parseOwner(options.Own)
    return { own: options.Own ?? '', idmap: options.IDMap ? formatIdmap(parseIdmap(options.IDMap)) : '' }
  } catch (error) {
    throw badConfig(type, (error as Error).message)
  }
}

function fromVolumeObject(mount: Mount): Partial<MountRequest> {
  const options = mount.VolumeOptions ?? {}
  const subpath = options.Subpath ?? ''
  if (subpath !== '' && !mount.Source)
    throw badConfig('volume', 'must not set Subpath when using anonymous volumes')
  checkSubpath('volume', subpath)
  return {
    subpath,
    noCopy: options.NoCopy === true,
    driver: options.DriverConfig?.Name ?? '',
    driverOptions: options.DriverConfig?.Options ?? {},
    labels: options.Labels ?? {},
    ...toOwners('volume', options),
  }
}

function fromImageObject(mount: Mount): Partial<MountRequest> {
  if (!mount.Source) throw badConfig('image', 'field Source must not be empty')
  const subpath = mount.ImageOptions?.Subpath ?? ''
  checkSubpath('image', subpath)
  return { subpath }
}

function checkSubpath(type: string, subpath: string): void {
  const problem = subpathProblem(subpath)
  if (problem !== null) throw badConfig(type, problem)
}

/** The same mount in the same syntax. */
export function toMountObject(mount: MountRequest): Mount {
  const [name, options] = optionWriters[mount.type](mount)
  const given = Object.entries(options).filter(([, value]) => isGiven(value))
  return {
    Type: mount.type,
    ...(mount.source !== '' && { Source: mount.source }),
    Target: mount.target,
    ...(mount.readOnly && { ReadOnly: true }),
    ...(mount.consistency !== '' && { Consistency: mount.consistency }),
    ...(given.length > 0 && { [name]: Object.fromEntries(given) }),
  }
}

function isGiven(value: unknown): boolean {
  return value !== '' && value !== false && !(typeof value === 'object' && isEmpty(value))
}

function isEmpty(value: object | null): boolean {
  return value === null || Object.keys(value).length === 0
}

const optionWriters: Readonly<Record<MountRequest['type'], (mount: MountRequest) => [string, object]>> = {
  bind: (mount) => ['BindOptions', toBindOptions(mount)],
  volume: (mount) => ['VolumeOptions', toVolumeOptions(mount)],
  image: ({ subpath }) => ['ImageOptions', { Subpath: subpath }],
  tmpfs: ({ options }) => ['TmpfsOptions', toTmpfsOptions(options)],
}

function toBindOptions(mount: MountRequest): Options<'BindOptions'> {
  return {
    Propagation: mount.propagation,
    NonRecursive: mount.recursion === 'disabled',
    CreateMountpoint: mount.createSource,
    ReadOnlyNonRecursive: mount.recursion === 'writable',
    ReadOnlyForceRecursive: mount.recursion === 'readonly',
    IDMap: mount.idmap,
    Own: mount.own,
  }
}

function toVolumeOptions(mount: MountRequest): Options<'VolumeOptions'> {
  const { driver, driverOptions } = mount
  const config = {
    ...(driver !== '' && { Name: driver }),
    ...(!isEmpty(driverOptions) && { Options: driverOptions }),
  }
  return {
    NoCopy: mount.noCopy,
    Labels: mount.labels,
    Subpath: mount.subpath,
    DriverConfig: config,
    IDMap: mount.idmap,
    Own: mount.own,
  }
}
