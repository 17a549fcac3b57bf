import type { VolumeClone as Clone } from '../../engine/engine.ts'
import type { SnapshotRecord } from '../../store/records.ts'
import type { VolumeClone, VolumeSnapshot } from '../schema/volume.ts'

export function toVolumeSnapshot({ id, name, createdAt, size }: SnapshotRecord): VolumeSnapshot {
  return { Id: id, Name: name, CreatedAt: createdAt, Size: size }
}

export function toVolumeClone({ Name, Driver, DriverOpts, Labels }: VolumeClone): Clone {
  return { name: Name ?? '', driver: Driver ?? '', options: DriverOpts ?? null, labels: Labels ?? null }
}
