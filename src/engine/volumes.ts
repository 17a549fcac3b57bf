import { TsnetError } from '../errors.ts'
import type { ContainerRecord, VolumeRecord, VolumeSpec } from '../store/records.ts'
import { newId } from '../values/id.ts'
import { checkVolumeName } from '../values/name.ts'
import type { Volumes } from './engine.ts'
import type { Parts } from './parts.ts'

const anonymousLabel = 'com.docker.volume.anonymous'

/** Creates a volume, or returns the one that has the name. Throws kind 'conflict' when that is of another driver. */
export async function createVolume(parts: Parts, spec: VolumeSpec): Promise<VolumeRecord> {
  const anonymous = spec.name === ''
  const name = anonymous ? newId() : spec.name
  const driver = parts.volumeDriver(spec.driver || 'local')
  checkVolumeName(name)
  driver.checkOptions(spec.options)
  return parts.locks.run(`volume ${name}`, async () => {
    const present = parts.store.volumes.get(name)
    if (present !== undefined) return sameDriver(present, driver.name)
    const { journal } = parts.store
    const entry = journal.begin('volume-create', name, { driver: driver.name })
    const mountpoint = await driver.create(name, spec.options)
    const labels = anonymous ? { ...spec.labels, [anonymousLabel]: '' } : spec.labels
    const volume: VolumeRecord = {
      ...spec,
      id: newId(),
      name,
      driver: driver.name,
      labels,
      anonymous,
      protected: false,
      origin: null,
      mountpoint,
      createdAt: new Date().toISOString(),
    }
    parts.store.transaction(() => {
      parts.store.volumes.put(name, volume)
      journal.clear(entry)
    })
    parts.events.emit('volume', 'create', name, { driver: driver.name })
    return volume
  })
}

function sameDriver(present: VolumeRecord, driver: string): VolumeRecord {
  if (present.driver === driver) return present
  throw new TsnetError(
    'conflict',
    'volume-exists',
    `create ${present.name}: conflict: volume name must be unique: ${present.name} exists with driver ${present.driver}`,
  )
}

export function volumeUsers(parts: Parts, name: string): ContainerRecord[] {
  return [...parts.store.containers.values()].filter((container) =>
    container.mounts.some((mount) => mount.type === 'volume' && mount.name === name),
  )
}

/** Throws kind 'conflict' naming the containers that use it. */
export async function removeVolume(parts: Parts, volume: VolumeRecord): Promise<void> {
  await parts.locks.run(`volume ${volume.name}`, async () => {
    // Looked up again: another removal may have been before.
    findVolume(parts, volume.name)
    const users = volumeUsers(parts, volume.name)
    if (users.length > 0) {
      throw new TsnetError(
        'conflict',
        'volume-in-use',
        `remove ${volume.name}: volume is in use - [${users.map((user) => user.id).join(', ')}]`,
      )
    }
    // The record goes first and at once: nobody can begin to use what is about to be removed.
    const { store } = parts
    const entry = store.transaction(() => {
      store.volumes.delete(volume.name)
      return store.journal.begin('volume-remove', volume.name, volume)
    })
    await parts.volumeDriver(volume.driver).remove(volume)
    store.journal.clear(entry)
    parts.events.emit('volume', 'destroy', volume.name, { driver: volume.driver })
  })
}

function findVolume(parts: Parts, name: string): VolumeRecord {
  const volume = parts.store.volumes.get(name)
  if (volume === undefined) throw new TsnetError('not-found', 'no-such-volume', `get ${name}: no such volume`)
  return volume
}

export function createVolumes(parts: Parts): Volumes {
  return {
    create: (spec) => createVolume(parts, spec),
    remove: async (name, force) => {
      if (force && !parts.store.volumes.has(name)) return
      await removeVolume(parts, findVolume(parts, name))
    },
    get: (name) => findVolume(parts, name),
    list: () => [...parts.store.volumes.values()],
    users: (name) => volumeUsers(parts, name),
  }
}
