import type { VolumeRecord } from '../store/records.ts'
import type { SnapshotId } from '../values/id.ts'
import type { Parts } from './parts.ts'

/** Takes the records of a volume's snapshots away, in the caller's transaction, and tells which they were. */
export function forgetSnapshots({ store }: Parts, volume: VolumeRecord): SnapshotId[] {
  const ids = [...store.snapshots.values()].filter((one) => one.volume === volume.id).map(({ id }) => id)
  for (const id of ids) store.snapshots.delete(id)
  return ids
}
