/** Another name for a volume and for everything that its containers' records say of it. What runs goes on: binds keep their inode. */
import { TsnetError } from '../errors.ts'
import type { ContainerRecord, MountPoint, MountRequest, VolumeRecord } from '../store/records.ts'
import type { JournalEntry } from '../store/store.ts'
import { checkVolumeName } from '../values/name.ts'
import type { VolumeStorage } from '../volumes/volume.ts'
import type { Parts } from './parts.ts'
import { refuseLent } from './volume-borrowers.ts'
import { findVolume } from './volume-removal.ts'
import { volumeUsers, whileUsersStay } from './volume-users.ts'
import { anonymousLabel } from './volumes.ts'

/** How the driver keeps data on this host. Throws kind 'unsupported' when it does not. */
export function storageOf(parts: Parts, volume: VolumeRecord): VolumeStorage {
  const { name, storage } = parts.volumeDriver(volume.driver)
  if (storage !== undefined) return storage
  throw new TsnetError(
    'unsupported',
    'volume-storage',
    `volume ${volume.name}: the ${name} driver does not keep its data on this host: it cannot be renamed or restored`,
  )
}

/** The record under another name. One that was anonymous has a name that somebody gave it now: it does not go with its container. */
export function namedAs(volume: VolumeRecord, name: string): VolumeRecord {
  if (name === volume.name) return volume
  const { [anonymousLabel]: _, ...labels } = volume.labels
  return { ...volume, name, labels, anonymous: false }
}

/** Throws kind 'conflict' when the name is taken. */
export async function renameVolume(parts: Parts, name: string, wanted: string): Promise<VolumeRecord> {
  checkVolumeName(wanted)
  if (wanted === name) {
    throw new TsnetError('invalid', 'same-name', `rename ${name}: that is its name already: give another one`)
  }
  // Whoever starts, ends or goes writes a record that knows the old name.
  return whileUsersStay(parts, name, [`volume ${name}`, `volume ${wanted}`], () => {
    const volume = findVolume(parts, name)
    refuseTaken(parts, name, wanted)
    refuseLent(parts, 'rename', name)
    return rename(parts, volume, wanted)
  })
}

function refuseTaken(parts: Parts, name: string, wanted: string): void {
  if (!parts.store.volumes.has(wanted)) return
  throw new TsnetError(
    'conflict',
    'volume-exists',
    `rename ${name}: there is a volume ${wanted} already: give another name`,
  )
}

async function rename(parts: Parts, volume: VolumeRecord, wanted: string): Promise<VolumeRecord> {
  const storage = storageOf(parts, volume)
  const { journal } = parts.store
  const entry = journal.begin('volume-rename', wanted, volume)
  await using undo = new AsyncDisposableStack()
  undo.defer(() => journal.clear(entry))
  const renamed = await move(parts, storage, volume, wanted, entry)
  undo.move()
  parts.events.emit('volume', 'rename', wanted, { driver: volume.driver, oldName: volume.name })
  return renamed
}

/** The data first, then all records at once. */
async function move(
  parts: Parts,
  storage: VolumeStorage,
  volume: VolumeRecord,
  wanted: string,
  entry: number,
): Promise<VolumeRecord> {
  const mountpoint = await storage.rename(volume, wanted)
  const renamed = { ...namedAs(volume, wanted), mountpoint }
  const { store } = parts
  store.transaction(() => {
    const users = volumeUsers(parts).get(volume.name) ?? []
    for (const container of users)
      store.containers.put(container.id, renameMounts(container, volume.name, renamed))
    store.volumes.delete(volume.name)
    store.volumes.put(wanted, renamed)
    store.journal.clear(entry)
  })
  return renamed
}

function renameMounts(container: ContainerRecord, old: string, volume: VolumeRecord): ContainerRecord {
  const mounts = container.mounts.map(
    (mount): MountPoint =>
      mount.type === 'volume' && mount.name === old
        ? { ...mount, name: volume.name, source: volume.mountpoint }
        : mount,
  )
  const requests = container.spec.mounts.map(
    (request): MountRequest =>
      request.type === 'volume' && request.source === old ? { ...request, source: volume.name } : request,
  )
  return { ...container, mounts, spec: { ...container.spec, mounts: requests } }
}

/** After a crash: one that was about to have another name gets it. */
export async function finishRename(parts: Parts, entry: JournalEntry): Promise<void> {
  const volume = entry.data as VolumeRecord
  if (parts.store.volumes.get(volume.name)?.id !== volume.id) return
  await move(parts, storageOf(parts, volume), volume, entry.subject, entry.id)
}
