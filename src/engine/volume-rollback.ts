/** Gives a volume the content of a snapshot. */
import type { SnapshotRecord } from '../store/records.ts'
import type { CopyWatch, Rollback } from './engine.ts'
import type { Parts } from './parts.ts'
import { replaceDeadline, replaceVolume } from './replace-volume.ts'
import { snapshotPath } from './snapshot-data.ts'
import { naming } from './volume-copies.ts'
import { withRoom } from './volume-room.ts'
import { findSnapshot } from './volume-snapshots.ts'

/**
 * What the volume held is kept as a snapshot of its own, unless `now`; returns that one. Throws kind 'conflict' naming the
 * containers that run with the volume.
 */
export async function rollbackVolume(
  parts: Parts,
  name: string,
  ref: string,
  { now }: Rollback,
  watch: CopyWatch,
): Promise<SnapshotRecord | null> {
  const subject = `rollback ${name}`
  const { kept, result } = await replaceVolume(
    parts,
    name,
    {
      operation: 'rollback',
      now,
      prepare: (volume) => findSnapshot(parts, volume, ref),
      install: async (snapshot, to, volume) => {
        const trees = { from: snapshotPath(parts, snapshot.id), to }
        await naming(subject, () =>
          withRoom(parts, volume, snapshot.size, () =>
            parts.workers.run('replace-tree', trees, {
              subject,
              deadline: replaceDeadline,
              progress: (bytes) => watch.progress?.(bytes, Math.max(bytes, snapshot.size)),
            }),
          ),
        )
        return { driver: volume.driver, snapshot: snapshot.name }
      },
    },
    watch,
  )
  parts.events.emit('volume', 'rollback', name, result)
  return kept
}
