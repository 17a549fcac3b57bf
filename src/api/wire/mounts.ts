/** All mounts of a container on the wire: Binds, Mounts, Tmpfs, and the anonymous volumes of Config.Volumes. */
import { noMount } from '../../engine/plan-mounts.ts'
import type { MountPoint, MountRequest } from '../../store/records.ts'
import type { MountSummary } from '../schema/container.ts'
import type { ContainerCreate, HostConfig } from '../schema/container-create.ts'
import type { Mount } from '../schema/mount.ts'
import { parseBind, toBind } from './binds.ts'
import { fromMountObject, toMountObject } from './mount-objects.ts'
import { checkTarget, invalid, targetProblem } from './mount-rules.ts'

/** Every mount that the body asks for. */
export function toMountRequests(body: ContainerCreate): MountRequest[] {
  const host = body.HostConfig ?? {}
  return [
    ...(host.Binds ?? []).map(parseBind),
    ...(host.Mounts ?? []).map(fromMountObject),
    ...Object.entries(host.Tmpfs ?? {}).map(([target, options]) => fromTmpfs(target, options)),
    ...Object.keys(body.Volumes ?? {}).map(fromVolumePath),
  ]
}

function fromVolumePath(target: string): MountRequest {
  checkTarget('volume', target)
  return { ...noMount, target, syntax: 'anonymous' }
}

function fromTmpfs(target: string, options: string): MountRequest {
  const problem = targetProblem(target)
  if (problem !== null) throw invalid(problem)
  const readOnly = options.split(',').includes('ro')
  return { ...noMount, type: 'tmpfs', target, readOnly, options, syntax: 'tmpfs-flag' }
}

/** The driver that is named for all volumes is none for those of Mounts. */
export function warnOfVolumeDriver({ VolumeDriver, Mounts }: HostConfig): string[] {
  const isIgnored = Mounts?.some(
    ({ Type, VolumeOptions }) => Type === 'volume' && !VolumeOptions?.DriverConfig?.Name,
  )
  if (!VolumeDriver || isIgnored !== true) return []
  return [
    "WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. Use '--mount type=volume,volume-driver=...' instead",
  ]
}

/** What was asked for, in the words in which it was. */
export interface MountFields {
  readonly Binds: readonly string[] | null
  readonly Mounts?: readonly Mount[]
  readonly Tmpfs?: Readonly<Record<string, string>>
}

export function fromMountRequests(mounts: readonly MountRequest[]): MountFields {
  const binds = mounts.filter(({ syntax }) => syntax === 'bind-string')
  const objects = mounts.filter(({ syntax }) => syntax === 'mount')
  const tmpfs = mounts.filter(({ syntax }) => syntax === 'tmpfs-flag')
  return {
    Binds: binds.length > 0 ? binds.map(toBind) : null,
    ...(objects.length > 0 && { Mounts: objects.map(toMountObject) }),
    ...(tmpfs.length > 0 && {
      Tmpfs: Object.fromEntries(tmpfs.map(({ target, options }) => [target, options])),
    }),
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
      Mode: mount.mode || (isShared(mount) ? 'z' : ''),
      RW: !mount.readOnly,
      Propagation: mount.propagation,
    }))
}

/** Docker labels local volumes that were asked for in their own right so that any container may use them, and says so. */
function isShared({ type, driver, syntax }: MountPoint): boolean {
  return type === 'volume' && driver === 'local' && (syntax === 'bind-string' || syntax === 'mount')
}
