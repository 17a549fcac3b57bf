/** All mounts of a container on the wire: Binds, Mounts, Tmpfs, and the anonymous volumes of Config.Volumes. */
import type { MountPoint, MountRequest } from '../../store/records.ts'
import type { MountSummary } from '../schema/container.ts'
import type { ContainerCreate } from '../schema/container-create.ts'
import type { Mount } from '../schema/mount.ts'
import { parseBind, toBind } from './binds.ts'
import { fromMountObject, toMountObject } from './mount-objects.ts'
import { cleanPath, cleanTarget, invalid, noMount, targetProblem } from './mount-rules.ts'

/** Every mount that the body asks for, each target once. */
export function toMountRequests(body: ContainerCreate): MountRequest[] {
  const host = body.HostConfig ?? {}
  const mounts = [
    ...(host.Binds ?? []).map((bind) => parseBind(bind, host.VolumeDriver ?? '')),
    ...(host.Mounts ?? []).map(fromMountObject),
    ...Object.entries(host.Tmpfs ?? {}).map(([target, options]) => fromTmpfs(target, options)),
  ]
  const targets = new Set<string>()
  for (const { target } of mounts) {
    if (targets.has(target)) throw invalid(`Duplicate mount point: ${target}`)
    targets.add(target)
  }
  const anonymous = Object.keys(body.Volumes ?? {}).map((path) =>
    fromVolumePath(path, host.VolumeDriver ?? ''),
  )
  return [...mounts, ...anonymous.filter(({ target }) => !targets.has(target))]
}

function fromVolumePath(path: string, driver: string): MountRequest {
  return { ...noMount, target: cleanTarget('volume', path), driver, syntax: 'bind-string' }
}

function fromTmpfs(target: string, options: string): MountRequest {
  const problem = targetProblem(target)
  if (problem !== null) throw invalid(problem)
  const readOnly = options.split(',').includes('ro')
  return {
    ...noMount,
    type: 'tmpfs',
    target: cleanPath(target),
    readOnly,
    options,
    syntax: 'tmpfs-flag',
  }
}

/** What was asked for, in the words in which it was. */
export interface MountFields {
  readonly Binds: readonly string[] | null
  readonly Mounts?: readonly Mount[]
  readonly Tmpfs?: Readonly<Record<string, string>>
  readonly VolumeDriver: string
}

export function fromMountRequests(mounts: readonly MountRequest[]): MountFields {
  const binds = mounts.filter(({ syntax, source }) => syntax === 'bind-string' && source !== '')
  const objects = mounts.filter(({ syntax }) => syntax === 'mount')
  const tmpfs = mounts.filter(({ syntax }) => syntax === 'tmpfs-flag')
  return {
    Binds: binds.length > 0 ? binds.map(toBind) : null,
    ...(objects.length > 0 && { Mounts: objects.map(toMountObject) }),
    ...(tmpfs.length > 0 && {
      Tmpfs: Object.fromEntries(tmpfs.map(({ target, options }) => [target, options])),
    }),
    VolumeDriver:
      mounts.find(({ syntax, type }) => syntax === 'bind-string' && type === 'volume')?.driver ?? '',
  }
}

/** The Mounts of lists and inspect. Those of `--tmpfs` are told by HostConfig alone, as in Docker. */
export function toMountSummaries(mounts: readonly MountPoint[]): MountSummary[] {
  return mounts
    .filter(({ syntax }) => syntax !== 'tmpfs-flag')
    .map((mount) => ({
      Type: mount.type,
      ...(mount.name !== '' && { Name: mount.name }),
      Source: mount.source,
      Destination: mount.target,
      ...(mount.type === 'volume' && { Driver: mount.driver }),
      Mode: mount.syntax === 'bind-string' && mount.readOnly ? 'ro' : '',
      RW: !mount.readOnly,
      Propagation: mount.propagation,
    }))
}
