/** Volumes on the wire. */
import type { PrunedVolume } from '../../engine/engine.ts'
import type { Labels, TrashRecord, VolumeRecord, VolumeSpec } from '../../store/records.ts'
import type { VolumeStatus, VolumeUsage } from '../../volumes/volume.ts'
import {
  booleanFilter,
  type Filters,
  matchesAny,
  matchesLabels,
  matchesLabelsNot,
  matchesName,
} from '../filters.ts'
import type { TrashedVolume, Volume, VolumeCreate, VolumesPruned } from '../schema/volume.ts'
import { unsupported } from './unsupported-options.ts'

export function toVolumeSpec(body: VolumeCreate): VolumeSpec {
  if (body.ClusterVolumeSpec != null) {
    throw unsupported('ClusterVolumeSpec is not supported: it belongs to a swarm')
  }
  return {
    name: body.Name ?? '',
    driver: body.Driver ?? '',
    options: body.DriverOpts ?? {},
    labels: body.Labels ?? {},
  }
}

/** `quota` is what is used of the volume's limit, if it has one, `known` what its driver has to say. */
export function toVolume(
  volume: VolumeRecord,
  quota: VolumeUsage | null = null,
  known: VolumeStatus | null = null,
): Volume {
  const status = { ...(quota && { Size: quota.limit, Used: quota.used }), ...known }
  return {
    CreatedAt: volume.createdAt.replace(/\.\d+/, ''),
    Driver: volume.driver,
    Labels: orNull(volume.labels),
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: orNull(volume.options),
    Scope: 'local',
    ...(Object.keys(status).length > 0 && { Status: status }),
    ...extras(volume),
  }
}

/** What Docker's answers do not have: only there when there is something to tell. */
function extras({ protected: isProtected, origin }: VolumeRecord): Pick<Volume, 'Protected' | 'Origin'> {
  return {
    ...(isProtected && { Protected: true }),
    ...(origin !== null && {
      Origin: { Container: origin.container, Image: origin.image, Target: origin.target },
    }),
  }
}

export function toTrashedVolume({ volume, removedAt, size }: TrashRecord, endsAt: string): TrashedVolume {
  const { Mountpoint: _, Scope: __, ...rest } = toVolume(volume)
  return { ...rest, Id: volume.id, Size: size, RemovedAt: removedAt, EndsAt: endsAt }
}

export function toVolumesPruned(pruned: readonly PrunedVolume[]): VolumesPruned {
  return {
    VolumesDeleted: pruned.length > 0 ? pruned.map(({ volume }) => volume.name) : null,
    SpaceReclaimed: pruned.reduce((sum, { size }) => sum + Math.max(0, size), 0),
    Volumes: pruned.map(({ volume, size, endsAt }) => {
      const { Name, Origin } = toVolume(volume)
      return { Name, Size: size, ...(Origin && { Origin }), ...(endsAt !== null && { EndsAt: endsAt }) }
    }),
  }
}

function orNull(labels: Labels): Labels | null {
  return Object.keys(labels).length > 0 ? labels : null
}

export const volumeFilters: readonly string[] = ['dangling', 'driver', 'label', 'name']

export const pruneFilters: readonly string[] = ['all', 'label', 'label!']

/** Since 1.42 only anonymous ones, unless the filter `all` says otherwise. */
export function selectPruned(filters: Filters, apiVersion: number): (volume: VolumeRecord) => boolean {
  const all = booleanFilter(filters, 'all') ?? apiVersion < 42
  return (volume) =>
    (all || volume.anonymous) &&
    matchesLabels(filters, volume.labels) &&
    matchesLabelsNot(filters, volume.labels)
}

export const trashFilters: readonly string[] = ['driver', 'label', 'name']

export function selectTrashed(trashed: readonly TrashRecord[], filters: Filters): TrashRecord[] {
  return trashed.filter(({ volume }) => isSelected(volume, filters))
}

function isSelected(volume: VolumeRecord, filters: Filters): boolean {
  return (
    matchesName(filters, 'name', volume.name) &&
    matchesAny(filters, 'driver', (driver) => driver === volume.driver) &&
    matchesLabels(filters, volume.labels)
  )
}

/** `isUsed` tells whether a container mounts it. */
export function selectVolumes(
  volumes: readonly VolumeRecord[],
  filters: Filters,
  isUsed: (volume: VolumeRecord) => boolean,
): VolumeRecord[] {
  const dangling = booleanFilter(filters, 'dangling')
  return volumes.filter(
    (volume) => isSelected(volume, filters) && (dangling === undefined || dangling === !isUsed(volume)),
  )
}
