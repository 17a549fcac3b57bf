/** Volumes on the wire. */
import type { Labels, VolumeRecord, VolumeSpec } from '../../store/records.ts'
import { booleanFilter, type Filters, matchesAny, matchesLabels, matchesName } from '../filters.ts'
import type { Volume, VolumeCreate } from '../schema/volume.ts'
import { unsupported } from './unsupported-options.ts'

export function toVolumeSpec(body: VolumeCreate): VolumeSpec {
  if (body.ClusterVolumeSpec != null) {
    throw unsupported('ClusterVolumeSpec is not supported: it belongs to a swarm')
  }
  return {
    name: body.Name ?? '',
    driver: body.Driver || 'local',
    options: body.DriverOpts ?? {},
    labels: body.Labels ?? {},
  }
}

export function toVolume(volume: VolumeRecord): Volume {
  return {
    CreatedAt: volume.createdAt.replace(/\.\d+/, ''),
    Driver: volume.driver,
    Labels: orNull(volume.labels),
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: orNull(volume.options),
    Scope: 'local',
  }
}

function orNull(labels: Labels): Labels | null {
  return Object.keys(labels).length > 0 ? labels : null
}

export const volumeFilters: readonly string[] = ['dangling', 'driver', 'label', 'name']

/** `isUsed` tells whether a container mounts it. */
export function selectVolumes(
  volumes: readonly VolumeRecord[],
  filters: Filters,
  isUsed: (volume: VolumeRecord) => boolean,
): VolumeRecord[] {
  const dangling = booleanFilter(filters, 'dangling')
  return volumes.filter(
    (volume) =>
      matchesName(filters, 'name', volume.name) &&
      matchesAny(filters, 'driver', (driver) => driver === volume.driver) &&
      matchesLabels(filters, volume.labels) &&
      (dangling === undefined || dangling === !isUsed(volume)),
  )
}
