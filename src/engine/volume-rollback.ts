/** Gives a volume the content of a snapshot, all of it or none whenever the daemon is killed (sys/staged-tree.ts). */
import { TsnetError } from '../errors.ts'
import type { SnapshotRecord, VolumeRecord } from '../store/records.ts'
import type { JournalEntry, Store } from '../store/store.ts'
import type { VolumeId } from '../values/id.ts'
import type { CopyWatch, Rollback } from './engine.ts'
import { runningUsers } from './freeze-users.ts'
import type { Parts } from './parts.ts'
import { snapshotPath } from './snapshot-data.ts'
import { naming, withVolumeMounted } from './volume-copies.ts'
import { findVolume } from './volume-removal.ts'
import { dropSnapshot, findSnapshot, freeName, takeSnapshot, timeName } from './volume-snapshots.ts'
import { volumeUsers } from './volume-users.ts'

/** Volumes whose content is being replaced. */
const replaced = new WeakMap<Store, Set<VolumeId>>()

/** Call before a container gets the volume. Throws kind 'conflict' while it is rolled back. */
export function refuseReplaced({ store }: Parts, { id, name }: VolumeRecord): void {
  if (!replaced.get(store)?.has(id)) return
  throw new TsnetError(
    'conflict',
    'volume-rolled-back',
    `volume ${name} is being rolled back: try again when that is done`,
  )
}

/**
 * What the volume held is kept as a snapshot of its own, unless `now`; returns that one. Throws kind 'conflict' naming the
 * containers that run with the volume.
 */
export async function rollbackVolume(
  parts: Parts,
  name: string,
  ref: string,
  rollback: Rollback,
  watch: CopyWatch,
): Promise<SnapshotRecord | null> {
  for (;;) {
    const users = userIds(parts, name)
    // Nobody starts meanwhile: those that there are wait for their locks, others are refused.
    const done = await parts.locks.runAll(users, () =>
      parts.locks.run(`volume ${name}`, async () => {
        const volume = findVolume(parts, name)
        const snapshot = findSnapshot(parts, volume, ref)
        if (!userIds(parts, name).every((user) => users.includes(user))) return null
        refuseRunning(parts, volume)
        using _ = markReplaced(parts, volume)
        return { kept: await replaceContent(parts, volume, snapshot, rollback, watch) }
      }),
    )
    if (done !== null) return done.kept
  }
}

function userIds(parts: Parts, name: string): string[] {
  return (volumeUsers(parts).get(name) ?? []).map(({ id }) => id)
}

function refuseRunning(parts: Parts, volume: VolumeRecord): void {
  const users = runningUsers(parts, volume)
  if (users.length === 0) return
  const ids = users.map(({ id }) => id).join(', ')
  const names = users.map((user) => user.name).join(', ')
  throw new TsnetError(
    'conflict',
    'volume-in-use',
    `rollback ${volume.name}: volume is in use by running containers - [${ids}] (${names}): stop them first`,
  )
}

function markReplaced({ store }: Parts, { id }: VolumeRecord): Disposable {
  const ids = replaced.get(store) ?? new Set()
  replaced.set(store, ids.add(id))
  return { [Symbol.dispose]: () => ids.delete(id) }
}

async function replaceContent(
  parts: Parts,
  volume: VolumeRecord,
  snapshot: SnapshotRecord,
  rollback: Rollback,
  watch: CopyWatch,
): Promise<SnapshotRecord | null> {
  return withVolumeMounted(parts, volume, 'rollback', async (path) => {
    await using undo = new AsyncDisposableStack()
    const kept = rollback.now ? null : await keepPresent(parts, volume, path, watch)
    if (kept !== null) undo.defer(() => dropSnapshot(parts, kept))
    await install(parts, volume, snapshot, path, watch)
    undo.move()
    parts.events.emit('volume', 'rollback', volume.name, { driver: volume.driver, snapshot: snapshot.name })
    return kept
  })
}

function keepPresent(
  parts: Parts,
  volume: VolumeRecord,
  path: string,
  watch: CopyWatch,
): Promise<SnapshotRecord> {
  const name = freeName(parts, volume, timeName('before-rollback-'))
  return takeSnapshot(parts, volume, { name, path }, watch)
}

/** Milliseconds without progress: all of it is written to the disk once in between. */
const replaceDeadline = 600_000

async function install(
  parts: Parts,
  volume: VolumeRecord,
  snapshot: SnapshotRecord,
  path: string,
  watch: CopyWatch,
): Promise<void> {
  const { journal } = parts.store
  const subject = `rollback ${volume.name}`
  const entry = journal.begin('volume-rollback', volume.name, volume)
  const trees = { from: snapshotPath(parts, snapshot.id), to: path }
  try {
    await naming(subject, () =>
      parts.workers.run('replace-tree', trees, {
        subject,
        deadline: replaceDeadline,
        progress: (bytes) => watch.progress?.(bytes, Math.max(bytes, snapshot.size)),
      }),
    )
  } catch (error) {
    // Of a worker that was lost; when this fails too the entry stays, and the next start tries again.
    await settle(parts, subject, path)
    journal.clear(entry)
    throw error
  }
  journal.clear(entry)
}

async function settle(parts: Parts, subject: string, path: string): Promise<void> {
  await parts.workers.run('settle-tree', { path }, { subject, deadline: replaceDeadline })
}

/** After a crash: the old or the new content, by how far it had come. */
export async function finishRollback(parts: Parts, entry: JournalEntry): Promise<void> {
  const { id } = entry.data as VolumeRecord
  const volume = [...parts.store.volumes.values()].find((one) => one.id === id)
  if (volume === undefined) return
  await withVolumeMounted(parts, volume, 'rollback', (path) => settle(parts, `rollback ${volume.name}`, path))
}
