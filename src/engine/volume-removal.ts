/** From a volume to the trash, or to nothing. Its record goes first and at once: nobody can begin to use what is on its way out. */
import { TsnetError } from '../errors.ts'
import type { TrashRecord, VolumeRecord } from '../store/records.ts'
import type { JournalEntry } from '../store/store.ts'
import type { VolumeStorage } from '../volumes/volume.ts'
import { forgetSnapshots } from './forget-snapshots.ts'
import type { Parts } from './parts.ts'
import { removeSnapshotData } from './snapshot-data.ts'
import { refuseLent } from './volume-borrowers.ts'
import { tellUsers, volumeUsers } from './volume-users.ts'

export interface VolumeRemoval {
  /** What is missing is no failure; of a driver that fails the record goes nevertheless. */
  readonly force?: boolean
  /** Past the trash. */
  readonly now?: boolean
  /** bytes, where they are known already */
  readonly size?: number
  /** Asked at the last moment: another volume may have the name by then. One that it does not want counts as missing. */
  readonly selected?: (volume: VolumeRecord) => boolean
}

/** Throws kind 'not-found' with Docker's text. */
export function findVolume(parts: Parts, name: string): VolumeRecord {
  const volume = parts.store.volumes.get(name)
  if (volume === undefined) throw noSuchVolume(name)
  return volume
}

function noSuchVolume(name: string): TsnetError {
  return new TsnetError('not-found', 'no-such-volume', `get ${name}: no such volume`)
}

/**
 * Into the trash where the driver keeps data on this host and there is one, else for good. Throws kind 'conflict' naming the
 * containers that use it, or when it is protected.
 */
export async function removeVolume(parts: Parts, name: string, removal: VolumeRemoval): Promise<void> {
  await parts.locks.run(`volume ${name}`, async () => {
    // Looked up here: another removal may have been before.
    if (removal.force && !parts.store.volumes.has(name)) return
    const volume = findVolume(parts, name)
    if (removal.selected?.(volume) === false) throw noSuchVolume(name)
    refuseRemoval(parts, volume)
    const { storage } = parts.volumeDriver(volume.driver)
    if (storage === undefined || removal.now || parts.trashLimits.age === 0) {
      await removeForGood(parts, volume, removal.force === true)
    } else await discard(parts, volume, storage, removal.size ?? -1)
    parts.events.emit('volume', 'destroy', name, { driver: volume.driver })
  })
}

function refuseRemoval(parts: Parts, volume: VolumeRecord): void {
  const { name } = volume
  if (volume.protected) {
    throw new TsnetError(
      'conflict',
      'volume-protected',
      `remove ${name}: volume is protected: take that back with tsnet volume update --protect=false ${name}`,
    )
  }
  refuseLent(parts, 'remove', name)
  const users = volumeUsers(parts).get(name) ?? []
  if (users.length === 0) return
  throw new TsnetError('conflict', 'volume-in-use', `remove ${name}: volume is in use - ${tellUsers(users)}`)
}

async function discard(
  parts: Parts,
  volume: VolumeRecord,
  storage: VolumeStorage,
  size: number,
): Promise<void> {
  const { store } = parts
  const trashed = { volume, removedAt: new Date().toISOString(), size }
  const entry = store.transaction(() => {
    store.volumes.delete(volume.name)
    return store.journal.begin('volume-discard', volume.name, trashed)
  })
  await moveToTrash(parts, trashed, storage, entry)
  parts.events.emit('volume', 'trash', volume.name, { driver: volume.driver })
}

/** The trash has it when its data is there, and not before: nobody restores or purges what is on its way. */
async function moveToTrash(
  parts: Parts,
  trashed: TrashRecord,
  storage: VolumeStorage,
  entry: number,
): Promise<void> {
  const { store } = parts
  const { volume } = trashed
  try {
    await storage.discard(volume)
  } catch (error) {
    putBack(parts, volume, entry)
    throw error
  }
  store.transaction(() => {
    store.trash.put(volume.id, trashed)
    store.journal.clear(entry)
  })
}

function putBack({ store }: Parts, volume: VolumeRecord, entry: number): void {
  store.transaction(() => {
    store.volumes.put(volume.name, volume)
    store.journal.clear(entry)
  })
}

async function removeForGood(parts: Parts, volume: VolumeRecord, force: boolean): Promise<void> {
  const { store } = parts
  const entry = store.transaction(() => {
    store.volumes.delete(volume.name)
    return store.journal.begin('volume-remove', volume.name, volume)
  })
  const driver = parts.volumeDriver(volume.driver)
  try {
    // Out of the way in one step: what cannot be removed whole is at least not half there.
    await (driver.storage?.discard(volume) ?? driver.remove(volume))
  } catch (error) {
    if (!force) {
      putBack(parts, volume, entry)
      throw error
    }
    parts.log.warn({ err: error, volume: volume.name }, 'a volume was removed whose driver could not do so')
  }
  // When this fails the entry stays, and the next start tries again.
  const snapshots = forgetSnapshots(parts, volume)
  if (driver.storage === undefined) await removeSnapshotData(parts, snapshots)
  else await driver.storage.purge(volume.id, snapshots)
  store.journal.clear(entry)
}

/** Volumes of a container that is gone, at once; what another container has come to use stays. Safe to repeat. */
export async function removeVolumes(parts: Parts, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await removeVolume(parts, name, { force: true, now: true }).catch((error: unknown) => {
      if (error instanceof TsnetError && error.code === 'volume-in-use') return
      parts.log.warn({ err: error, volume: name }, 'an anonymous volume stays')
    })
  }
}

/** After a crash: what was on its way into the trash goes on, or is back when that fails. */
export async function finishDiscard(parts: Parts, entry: JournalEntry): Promise<void> {
  const trashed = entry.data as TrashRecord
  const { storage } = parts.volumeDriver(trashed.volume.driver)
  if (storage !== undefined) await moveToTrash(parts, trashed, storage, entry.id)
}

/**
 * After a crash, of a volume that has no record: half made, or half removed. What was discarded is purged with the other leftovers
 * of the trash.
 */
export async function finishVolumeRemoval(parts: Parts, entry: JournalEntry): Promise<void> {
  const volume = entry.data as VolumeRecord
  if (parts.store.volumes.has(volume.name)) return
  const driver = parts.volumeDriver(volume.driver)
  await (driver.storage?.discard(volume) ?? driver.remove(volume))
  forgetSnapshots(parts, volume)
}
