/**
 * Gives a volume other content, all of it or none whenever the daemon is killed (sys/staged-tree.ts), while no container runs
 * with it.
 */
import { TsnetError } from '../errors.ts'
import type { SnapshotRecord, VolumeRecord } from '../store/records.ts'
import type { JournalEntry, Store } from '../store/store.ts'
import type { VolumeId } from '../values/id.ts'
import type { CopyWatch } from './engine.ts'
import { runningUsers } from './freeze-users.ts'
import type { Parts } from './parts.ts'
import { refuseLent } from './volume-borrowers.ts'
import { withVolumeMounted } from './volume-copies.ts'
import { findVolume } from './volume-removal.ts'
import { dropSnapshot, freeName, takeSnapshot, timeName } from './volume-snapshots.ts'
import { tellUsers, whileUsersStay } from './volume-users.ts'

export interface Replacement<T, R> {
  readonly operation: 'rollback' | 'import'
  /** Without keeping what is there as a snapshot. */
  readonly now: boolean
  /** Finds what is needed, and makes the refusals. Called when nobody else works on the volume. */
  prepare(volume: VolumeRecord): T
  /** Runs the job that replaces the tree at `path`. */
  install(prepared: T, path: string, volume: VolumeRecord): Promise<R>
  /** Writes records together with the one that it is done. */
  commit?(result: R, kept: SnapshotRecord | null): void
}

export interface Replaced<R> {
  /** What was there before. */
  readonly kept: SnapshotRecord | null
  readonly result: R
}

/** Volumes whose content is being replaced. */
const replaced = new WeakMap<Store, Set<VolumeId>>()

/** Call before a container gets the volume. Throws kind 'conflict' while its content is replaced. */
export function refuseReplaced({ store }: Parts, { id, name }: VolumeRecord): void {
  if (!replaced.get(store)?.has(id)) return
  throw new TsnetError(
    'conflict',
    'volume-replaced',
    `volume ${name} is getting other content: try again when that is done`,
  )
}

/** Throws kind 'conflict' naming the containers that run with the volume. */
export async function replaceVolume<T, R>(
  parts: Parts,
  name: string,
  replacement: Replacement<T, R>,
  watch: CopyWatch,
): Promise<Replaced<R>> {
  // Nobody starts meanwhile: those that there are wait for their locks, others are refused.
  return whileUsersStay(parts, name, [`volume ${name}`], async () => {
    const volume = findVolume(parts, name)
    const prepared = replacement.prepare(volume)
    refuseRunning(parts, volume, replacement.operation)
    using _ = markReplaced(parts, volume)
    return await replaceContent(parts, volume, replacement, prepared, watch)
  })
}

function refuseRunning(parts: Parts, volume: VolumeRecord, operation: string): void {
  refuseLent(parts, operation, volume.name)
  const users = runningUsers(parts, volume)
  if (users.length === 0) return
  throw new TsnetError(
    'conflict',
    'volume-in-use',
    `${operation} ${volume.name}: volume is in use by running containers - ${tellUsers(users)}: stop them first`,
  )
}

function markReplaced({ store }: Parts, { id }: VolumeRecord): Disposable {
  const ids = replaced.get(store) ?? new Set()
  replaced.set(store, ids.add(id))
  return { [Symbol.dispose]: () => ids.delete(id) }
}

async function replaceContent<T, R>(
  parts: Parts,
  volume: VolumeRecord,
  replacement: Replacement<T, R>,
  prepared: T,
  watch: CopyWatch,
): Promise<Replaced<R>> {
  const { operation, now } = replacement
  return withVolumeMounted(parts, volume, operation, async (path) => {
    await using undo = new AsyncDisposableStack()
    const kept = now ? null : await keepPresent(parts, volume, operation, path, watch)
    if (kept !== null) undo.defer(() => dropSnapshot(parts, kept))
    const result = await journalled(parts, volume, path, operation, {
      install: () => replacement.install(prepared, path, volume),
      commit: (done) => replacement.commit?.(done, kept),
    })
    undo.move()
    return { kept, result }
  })
}

function keepPresent(
  parts: Parts,
  volume: VolumeRecord,
  operation: string,
  path: string,
  watch: CopyWatch,
): Promise<SnapshotRecord> {
  const name = freeName(parts, volume, timeName(`before-${operation}-`))
  return takeSnapshot(parts, volume, { name, path }, watch)
}

/** Milliseconds without progress: all of it is written to the disk once in between. */
export const replaceDeadline = 600_000

async function journalled<R>(
  parts: Parts,
  volume: VolumeRecord,
  path: string,
  operation: string,
  { install, commit }: { install: () => Promise<R>; commit: (result: R) => void },
): Promise<R> {
  const { journal } = parts.store
  const entry = journal.begin('volume-replace', volume.name, volume)
  try {
    const result = await install()
    parts.store.transaction(() => {
      commit(result)
      journal.clear(entry)
    })
    return result
  } catch (error) {
    // Of a worker that was lost; when this fails too the entry stays, and the next start tries again.
    await settle(parts, `${operation} ${volume.name}`, path)
    journal.clear(entry)
    throw error
  }
}

async function settle(parts: Parts, subject: string, path: string): Promise<void> {
  await parts.workers.run('settle-tree', { path }, { subject, deadline: replaceDeadline })
}

/** Call when a container has got the volume, at `path`: what an earlier settling could not reach is settled before it is seen. */
export async function settleLeftOver(parts: Parts, { id, name }: VolumeRecord, path: string): Promise<void> {
  for (const { id: entry, operation, data } of parts.store.journal.entries()) {
    if (operation !== 'volume-replace' || (data as VolumeRecord).id !== id) continue
    await settle(parts, `volume ${name}`, path)
    parts.store.journal.clear(entry)
  }
}

/** After a crash: the old or the new content, by how far it had come. */
export async function finishReplacement(parts: Parts, entry: JournalEntry): Promise<void> {
  const { id } = entry.data as VolumeRecord
  const volume = [...parts.store.volumes.values()].find((one) => one.id === id)
  if (volume === undefined) return
  await withVolumeMounted(parts, volume, 'restore', (path) => settle(parts, `restore ${volume.name}`, path))
}
