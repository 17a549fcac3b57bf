/** What a volume held at a time: it stays with the volume, by its id, through renames, the trash and back. */
import { TsnetError } from '../errors.ts'
import type { SnapshotRecord, VolumeRecord } from '../store/records.ts'
import type { JournalEntry } from '../store/store.ts'
import { newId, type SnapshotId } from '../values/id.ts'
import { checkSnapshotName } from '../values/name.ts'
import type { CopyWatch } from './engine.ts'
import { freeze, runningUsers, thaw } from './freeze-users.ts'
import type { Parts } from './parts.ts'
import { removeSnapshotData, snapshotPath } from './snapshot-data.ts'
import { copyData, withVolumeMounted } from './volume-copies.ts'
import { findVolume } from './volume-removal.ts'
import { whileUsersStay } from './volume-users.ts'

/** The oldest first. */
export function listSnapshots(parts: Parts, volumeName: string): SnapshotRecord[] {
  return snapshotsOf(parts, findVolume(parts, volumeName))
}

function snapshotsOf(parts: Parts, { id }: VolumeRecord): SnapshotRecord[] {
  const own = [...parts.store.snapshots.values()].filter(({ volume }) => volume === id)
  return own.sort((one, other) => (one.createdAt < other.createdAt ? -1 : 1))
}

/** As short as ids are shown. */
const shortestId = 12

/** By name, else by the beginning of the id. Throws kind 'not-found'. */
export function findSnapshot(parts: Parts, volume: VolumeRecord, ref: string): SnapshotRecord {
  const own = snapshotsOf(parts, volume)
  const byId = own.filter(({ id }) => ref.length >= shortestId && id.startsWith(ref))
  const found = own.find(({ name }) => name === ref) ?? (byId.length === 1 ? byId[0] : undefined)
  if (found !== undefined) return found
  throw new TsnetError('not-found', 'no-such-snapshot', `volume ${volume.name}: no such snapshot: ${ref}`)
}

/** Throws kind 'conflict' when the name is taken. What fails leaves nothing. */
export async function createSnapshot(
  parts: Parts,
  volumeName: string,
  wanted: { name: string; pause: boolean },
  watch: CopyWatch,
): Promise<SnapshotRecord> {
  if (wanted.name !== '') checkSnapshotName(wanted.name)
  const subject = `volume ${volumeName}`
  const take = (): Promise<SnapshotRecord> => {
    const volume = findVolume(parts, volumeName)
    const name = wanted.name || freeName(parts, volume, timeName(''))
    refuseTaken(parts, volume, name)
    const frozen = wanted.pause ? runningUsers(parts, volume).map(({ id }) => id) : []
    return withVolumeMounted(parts, volume, 'snapshot', (path) =>
      takeSnapshot(parts, volume, { name, path, frozen }, watch),
    )
  }
  // Nobody starts, ends or goes while others stand still.
  return wanted.pause ? whileUsersStay(parts, volumeName, [subject], take) : parts.locks.run(subject, take)
}

/** Such as `2026-03-01T12-30-05`, in UTC. */
export function timeName(prefix: string): string {
  return `${prefix}${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}`
}

/** Others of the same second get a number. */
export function freeName(parts: Parts, volume: VolumeRecord, name: string): string {
  const taken = new Set(snapshotsOf(parts, volume).map((one) => one.name))
  let free = name
  for (let number = 2; taken.has(free); number++) free = `${name}-${number}`
  return free
}

function refuseTaken(parts: Parts, volume: VolumeRecord, name: string): void {
  if (!snapshotsOf(parts, volume).some((one) => one.name === name)) return
  throw new TsnetError(
    'conflict',
    'snapshot-exists',
    `volume ${volume.name} has a snapshot ${name} already: give another name`,
  )
}

interface Intent {
  readonly id: SnapshotId
  /** Ids of containers that stand still meanwhile. */
  readonly frozen: readonly string[]
}

/** Copies what is at `path`. Call under the volume's lock. There is no record before all is copied. */
export async function takeSnapshot(
  parts: Parts,
  volume: VolumeRecord,
  { name, path, frozen = [] }: { name: string; path: string; frozen?: readonly string[] },
  watch: CopyWatch,
): Promise<SnapshotRecord> {
  const { store } = parts
  const id = newId<SnapshotId>()
  const entry = store.journal.begin('volume-snapshot', volume.name, { id, frozen } satisfies Intent)
  await using undo = new AsyncDisposableStack()
  undo.defer(() => store.journal.clear(entry))
  undo.defer(() => removeSnapshotData(parts, [id]))
  const createdAt = new Date().toISOString()
  const size = await copyFrozen(parts, volume, { from: path, to: snapshotPath(parts, id) }, frozen, watch)
  await writeOut(parts, volume, snapshotPath(parts, id))
  const snapshot = { id, volume: volume.id, name, createdAt, size }
  store.transaction(() => {
    store.snapshots.put(id, snapshot)
    store.journal.clear(entry)
  })
  undo.move()
  parts.events.emit('volume', 'snapshot', volume.name, { driver: volume.driver, snapshot: name })
  return snapshot
}

/** Milliseconds for all that the disk has not got yet, of whomever. */
const writeDeadline = 600_000

/** What comes next may well be what it was taken for: it is to be there after a power cut, too. */
async function writeOut(parts: Parts, { name }: VolumeRecord, path: string): Promise<void> {
  await parts.workers.run('sync-tree', { path }, { subject: `snapshot ${name}`, deadline: writeDeadline })
}

async function copyFrozen(
  parts: Parts,
  volume: VolumeRecord,
  tree: { readonly from: string; readonly to: string },
  frozen: readonly string[],
  watch: CopyWatch,
): Promise<number> {
  using goOn = new DisposableStack()
  goOn.defer(() => thaw(parts, frozen))
  await freeze(parts, frozen)
  return await copyData(parts, `snapshot ${volume.name}`, tree, watch)
}

export async function removeSnapshot(parts: Parts, name: string, ref: string): Promise<void> {
  await parts.locks.run(`volume ${name}`, async () => {
    const volume = findVolume(parts, name)
    const snapshot = findSnapshot(parts, volume, ref)
    await dropSnapshot(parts, snapshot)
    const attributes = { driver: volume.driver, snapshot: snapshot.name }
    parts.events.emit('volume', 'snapshot-destroy', volume.name, attributes)
  })
}

/** The record first. What a crash leaves of the data belongs to nobody and goes at the next start. */
export async function dropSnapshot(parts: Parts, { id }: SnapshotRecord): Promise<void> {
  parts.store.snapshots.delete(id)
  await removeSnapshotData(parts, [id])
}

/** After a crash: what stood still goes on. The half copy goes with all else that has no record. */
export async function undoSnapshot(parts: Parts, entry: JournalEntry): Promise<void> {
  thaw(parts, (entry.data as Intent).frozen)
}
