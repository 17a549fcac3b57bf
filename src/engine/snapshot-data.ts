/** Where snapshots have their data: `<data-root>/volumes/.snapshots/<id>`, beside the volumes and whatever their driver. */
import { readdir } from 'node:fs/promises'
import type { SnapshotId } from '../values/id.ts'
import type { Parts } from './parts.ts'

function directoryOf({ dataRoot }: Parts): string {
  return `${dataRoot}/volumes/.snapshots`
}

export function snapshotPath(parts: Parts, id: SnapshotId): string {
  return `${directoryOf(parts)}/${id}`
}

/** Milliseconds without progress. */
const removalDeadline = 60_000

/** Removes the data of snapshots that have no record any more. Safe to repeat. */
export async function removeSnapshotData(parts: Parts, ids: readonly SnapshotId[]): Promise<void> {
  for (const id of ids) {
    const path = snapshotPath(parts, id)
    await parts.workers.run('remove-tree', { path }, { subject: path, deadline: removalDeadline })
  }
}

/** After a start of the daemon: removes, in the background, the data that no record knows. */
export async function sweepSnapshots(parts: Parts): Promise<void> {
  const names = await readdir(directoryOf(parts)).catch(() => [])
  const unknown = names.filter((name) => !parts.store.snapshots.has(name)) as SnapshotId[]
  void removeSnapshotData(parts, unknown).catch((error: unknown) =>
    parts.log.warn({ err: error }, 'the data of a removed snapshot could not be removed'),
  )
}
