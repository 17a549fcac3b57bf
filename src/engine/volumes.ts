import { TsnetError } from '../errors.ts'
import type { VolumeRecord, VolumeSpec } from '../store/records.ts'
import { newId } from '../values/id.ts'
import { checkVolumeName, isVolumeName } from '../values/name.ts'
import type { VolumeDriver } from '../volumes/volume.ts'
import { cloneVolume } from './clone-volume.ts'
import type { Volumes } from './engine.ts'
import { otherVolumes } from './other-volumes.ts'
import type { Parts } from './parts.ts'
import { VolumePruner } from './prune-volumes.ts'
import { renameVolume } from './rename-volume.ts'
import { updateVolume } from './update-volume.ts'
import { borrowersOf } from './volume-borrowers.ts'
import { lendVolume, returnVolume } from './volume-loans.ts'
import { findVolume, removeVolume } from './volume-removal.ts'
import { rollbackVolume } from './volume-rollback.ts'
import { createSnapshot, listSnapshots, removeSnapshot } from './volume-snapshots.ts'
import { createVolumeTrash } from './volume-trash.ts'
import { measureVolumes, quotaOfVolume } from './volume-usage.ts'
import { volumeUsers } from './volume-users.ts'

/** Marks anonymous volumes; the value is empty. Also told by Docker's `volume ls --filter label=`. */
export const anonymousLabel = 'com.docker.volume.anonymous'

/** How a volume is made, besides what its user wants of it. */
export interface Making {
  /** It has a name that nobody gave it. */
  readonly anonymous?: boolean
  readonly protected?: boolean
  readonly origin?: VolumeRecord['origin']
  /** Puts data into it before anybody can use it. */
  readonly fill?: (volume: VolumeRecord) => Promise<unknown>
  /** Writes records together with the volume's. */
  readonly commit?: (volume: VolumeRecord) => void
}

/**
 * Creates a volume, or returns the one that has the name. Without a driver any will do, and a new one is local. Throws kind
 * 'conflict' when the name is that of another driver's.
 */
export async function createVolume(
  parts: Parts,
  spec: VolumeSpec,
  making: Making = {},
): Promise<VolumeRecord> {
  const name = spec.name === '' ? newId() : spec.name
  const driver = parts.volumeDriver(spec.driver || driverOfOther(parts, spec.name) || 'local')
  checkWish(driver, name, spec.options)
  const find = (): VolumeRecord | undefined => {
    const present = parts.store.volumes.get(name)
    return present && sameDriver(present, spec.driver)
  }
  const unmade = { ...spec, name, driver: driver.name }
  const anonymous = making.anonymous ?? spec.name === ''
  return (
    // One that is there is not waited for: a snapshot of it may take long.
    find() ??
    parts.locks.run(
      `volume ${name}`,
      async () => find() ?? (await makeVolume(parts, unmade, { ...making, anonymous })),
    )
  )
}

/** Whose volume of that name there is already, '' for nobody's. */
function driverOfOther(parts: Parts, name: string): string {
  if (name === '' || parts.store.volumes.has(name)) return ''
  return otherVolumes(parts).find((other) => other.name === name)?.driver ?? ''
}

/** Throws what is wrong with a volume that is to be made; the refusal says which, as Docker's do. */
export function checkWish(driver: VolumeDriver, name: string, options: VolumeSpec['options']): void {
  try {
    checkVolumeName(name)
    driver.checkOptions(options)
  } catch (error) {
    if (!(error instanceof TsnetError)) throw error
    throw new TsnetError(error.kind, error.code, `create ${name}: ${error.message}`)
  }
}

/** Makes a volume of a name that is free, of a driver that has checked the options. Call under the name's lock. */
export async function makeVolume(parts: Parts, spec: VolumeSpec, making: Making): Promise<VolumeRecord> {
  const { name } = spec
  const driver = parts.volumeDriver(spec.driver)
  const { journal } = parts.store
  const planned = planVolume(spec, making)
  // What fails from here on takes away whatever is under the name.
  if (await driver.storage?.has(name)) {
    throw new TsnetError(
      'conflict',
      'volume-in-the-way',
      `create ${name}: there is data under this name that belongs to no volume: move it away, or restart the daemon, which takes it up`,
    )
  }
  const entry = journal.begin('volume-create', name, planned)
  await using undo = new AsyncDisposableStack()
  undo.defer(async () => {
    // When this fails the entry stays, and the next start tries again.
    await driver.remove(planned)
    journal.clear(entry)
  })
  const volume = { ...planned, mountpoint: await driver.create(name, spec.options) }
  await making.fill?.(volume)
  parts.store.transaction(() => {
    parts.store.volumes.put(name, volume)
    making.commit?.(volume)
    journal.clear(entry)
  })
  undo.move()
  parts.events.emit('volume', 'create', name, { driver: driver.name })
  return volume
}

/** Data without a record is a volume, as in Docker: an administrator has put it there, or the records were lost. */
export async function adoptVolumes(parts: Parts): Promise<void> {
  const { volumes, journal } = parts.store
  // Half made or half removed, and not to be cleaned up this time.
  const unfinished = new Set(journal.entries().map(({ subject }) => subject))
  const isKnown = (name: string): boolean => volumes.has(name) || unfinished.has(name) || !isVolumeName(name)
  for (const driver of parts.volumeDrivers()) {
    for (const { name, mountpoint } of (await driver.storage?.strays(isKnown)) ?? []) {
      const spec = { name, driver: driver.name, options: {}, labels: {} }
      volumes.put(name, { ...planVolume(spec, {}), mountpoint })
      parts.log.warn({ volume: name, path: mountpoint }, 'data without a record is a volume from now on')
    }
  }
}

/** The record before there is any data. */
function planVolume(spec: VolumeSpec, making: Making): VolumeRecord {
  const anonymous = making.anonymous ?? false
  return {
    ...spec,
    id: newId(),
    labels: anonymous ? { ...spec.labels, [anonymousLabel]: '' } : spec.labels,
    anonymous,
    protected: making.protected ?? false,
    origin: making.origin ?? null,
    mountpoint: '',
    createdAt: new Date().toISOString(),
  }
}

function sameDriver(present: VolumeRecord, driver: string): VolumeRecord {
  if (driver === '' || present.driver === driver) return present
  throw new TsnetError(
    'conflict',
    'volume-exists',
    `create ${present.name}: conflict: volume name must be unique: ${present.name} exists with driver ${present.driver}`,
  )
}

export function createVolumes(parts: Parts): Volumes {
  const pruner = new VolumePruner(parts)
  return {
    create: (spec, isProtected = false) => createVolume(parts, spec, { protected: isProtected }),
    remove: (name, removal) => removeVolume(parts, name, removal),
    prune: (selected, pruning) => pruner.prune(selected, pruning),
    update: (name, change) => updateVolume(parts, name, change),
    rename: (name, wanted) => renameVolume(parts, name, wanted),
    clone: (source, clone, watch) => cloneVolume(parts, source, clone, watch),
    snapshots: {
      list: (name) => listSnapshots(parts, name),
      create: (name, wanted, watch) => createSnapshot(parts, name, wanted, watch),
      remove: (name, ref) => removeSnapshot(parts, name, ref),
      rollback: (name, ref, rollback, watch) => rollbackVolume(parts, name, ref, rollback, watch),
    },
    trash: createVolumeTrash(parts),
    get: (name) => findVolume(parts, name),
    list: () => [...parts.store.volumes.values()],
    others: () => otherVolumes(parts),
    lend: (name, user) => lendVolume(parts, name, user),
    takeBack: (name, user) => returnVolume(parts, name, user),
    borrowers: (name) => borrowersOf(parts, name),
    users: () => volumeUsers(parts),
    quota: (name) => quotaOfVolume(parts, name),
    status: (name) => {
      const volume = findVolume(parts, name)
      // A volume is shown also while its driver is missing.
      const driver = parts.volumeDrivers().find((one) => one.name === volume.driver)
      return driver?.status?.(volume) ?? null
    },
    sizes: () => measureVolumes(parts),
  }
}
