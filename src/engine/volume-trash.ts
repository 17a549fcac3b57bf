/** What was removed and can come back: listed, restored, removed for good. */
import { TsnetError } from '../errors.ts'
import type { TrashRecord, VolumeRecord } from '../store/records.ts'
import type { JournalEntry } from '../store/store.ts'
import type { VolumeId } from '../values/id.ts'
import { checkVolumeName } from '../values/name.ts'
import type { VolumeStorage } from '../volumes/volume.ts'
import type { PrunedVolume, VolumeTrash } from './engine.ts'
import { forgetSnapshots } from './forget-snapshots.ts'
import type { Parts } from './parts.ts'
import { namedAs, storageOf } from './rename-volume.ts'

export function createVolumeTrash(parts: Parts): VolumeTrash {
  return {
    list: () => listTrash(parts),
    restore: (ref, as) => restoreVolume(parts, findTrashed(parts, ref), as),
    remove: async (ref) => {
      const record = findTrashed(parts, ref)
      await purge(parts, record)
      return gone(record)
    },
    empty: () => emptyTrash(parts),
    endsAt: ({ removedAt }) => new Date(endOf(parts, removedAt)).toISOString(),
  }
}

/** Newest first. */
function listTrash(parts: Parts): TrashRecord[] {
  return [...parts.store.trash.values()].sort((one, other) => (one.removedAt < other.removedAt ? 1 : -1))
}

/** Milliseconds since the epoch at which something removed at `removedAt` has been kept long enough. */
export function endOf(parts: Pick<Parts, 'trashLimits'>, removedAt: string): number {
  return Date.parse(removedAt) + parts.trashLimits.age
}

/** ISO 8601: until when a removed volume can be restored; null when it cannot be. */
export function trashEnd(parts: Parts, { id }: VolumeRecord): string | null {
  const record = parts.store.trash.get(id)
  return record === undefined ? null : new Date(endOf(parts, record.removedAt)).toISOString()
}

/** By the name that it had, the latest of them, else by the beginning of its id. Throws kind 'not-found'. */
function findTrashed(parts: Parts, ref: string): TrashRecord {
  const trashed = listTrash(parts)
  const found = trashed.find(({ volume }) => volume.name === ref)
  const byId = trashed.filter(({ volume }) => ref.length >= shortestId && volume.id.startsWith(ref))
  const record = found ?? (byId.length === 1 ? byId[0] : undefined)
  if (record !== undefined) return record
  throw notInTrash(ref)
}

function notInTrash(ref: string): TsnetError {
  return new TsnetError('not-found', 'not-in-trash', `trash ${ref}: no such volume in the trash`)
}

/** As short as ids are shown. */
const shortestId = 12

async function restoreVolume(parts: Parts, trashed: TrashRecord, as: string): Promise<VolumeRecord> {
  const { volume } = trashed
  const name = as || volume.name
  checkVolumeName(name)
  return parts.locks.runAll([`volume ${name}`, `trash ${volume.id}`], async () => {
    refuseTaken(parts, volume, name)
    if (!parts.store.trash.has(volume.id)) throw notInTrash(volume.name)
    const entry = parts.store.journal.begin('volume-restore', name, volume)
    await using undo = new AsyncDisposableStack()
    undo.defer(() => parts.store.journal.clear(entry))
    const restored = await revive(parts, volume, name, entry)
    undo.move()
    parts.events.emit('volume', 'restore', name, { driver: volume.driver, oldName: volume.name })
    return restored
  })
}

function refuseTaken(parts: Parts, volume: VolumeRecord, name: string): void {
  if (!parts.store.volumes.has(name)) return
  throw new TsnetError(
    'conflict',
    'volume-exists',
    `restore ${volume.name}: there is a volume ${name}: give another name with tsnet volume restore --as NEW ${volume.name}, or rename that one`,
  )
}

async function revive(
  parts: Parts,
  volume: VolumeRecord,
  name: string,
  entry: number,
): Promise<VolumeRecord> {
  const mountpoint = await storageOf(parts, volume).revive(volume, name)
  const restored = { ...namedAs(volume, name), mountpoint }
  const { store } = parts
  store.transaction(() => {
    store.trash.delete(volume.id)
    store.volumes.put(name, restored)
    store.journal.clear(entry)
  })
  return restored
}

/** Removes for good what is in the trash. Nothing to do when somebody has been before. */
export async function purge(parts: Parts, { volume }: TrashRecord): Promise<void> {
  const { store } = parts
  await parts.locks.run(`trash ${volume.id}`, async () => {
    if (!store.trash.has(volume.id)) return
    const storage = storageOf(parts, volume)
    // From here on it cannot be restored. What a crash leaves of it belongs to nobody and goes at the next start.
    const snapshots = store.transaction(() => {
      store.trash.delete(volume.id)
      return forgetSnapshots(parts, volume)
    })
    await storage.purge(volume.id, snapshots)
    parts.events.emit('volume', 'purge', volume.name, { driver: volume.driver })
  })
}

function gone({ volume, size }: TrashRecord): PrunedVolume {
  return { volume, size, endsAt: null }
}

async function emptyTrash(parts: Parts): Promise<PrunedVolume[]> {
  const trashed = listTrash(parts)
  for (const record of trashed) await purge(parts, record)
  return trashed.map(gone)
}

/** After a crash: a volume that was about to come back does. */
export async function finishRestore(parts: Parts, entry: JournalEntry): Promise<void> {
  const volume = entry.data as VolumeRecord
  if (parts.store.trash.has(volume.id)) await revive(parts, volume, entry.subject, entry.id)
}

/**
 * After a crash of the whole machine a record may be older than its data: what was discarded and has a record among the volumes
 * is brought back. What nobody knows any more is removed, in the background.
 */
export async function recallVolumes(parts: Parts): Promise<void> {
  const volumes = new Map([...parts.store.volumes.values()].map((volume) => [volume.id, volume]))
  for (const { storage } of parts.volumeDrivers()) {
    for (const id of (await storage?.discarded()) ?? []) {
      const volume = volumes.get(id)
      if (volume !== undefined) await storage?.revive(volume, volume.name)
      else if (!parts.store.trash.has(id)) void purgeLeftover(parts, storage, id)
    }
  }
}

async function purgeLeftover(parts: Parts, storage: VolumeStorage | undefined, id: VolumeId): Promise<void> {
  try {
    await storage?.purge(id, [])
  } catch (error) {
    parts.log.warn({ err: error, volume: id }, 'a leftover of the trash could not be removed')
  }
}
