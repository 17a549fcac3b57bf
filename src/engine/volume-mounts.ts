/** Volumes are reachable for a container from its start to its end. Who uses what is told by the records, so that it is known after any crash. */
import { TsnetError } from '../errors.ts'
import type { ContainerRecord, MountPoint, VolumeRecord } from '../store/records.ts'
import type { Parts } from './parts.ts'
import { refuseReplaced, settleLeftOver } from './replace-volume.ts'
import { findVolume } from './volume-removal.ts'

/** The paths of a container's volumes on this host, by the volumes' names. */
export type VolumePaths = ReadonlyMap<string, string>

/** Mounts them all at the same time. Throws what the first one that failed says, after the others are done. */
export async function mountVolumes(
  parts: Parts,
  undo: AsyncDisposableStack,
  container: ContainerRecord,
): Promise<VolumePaths> {
  const volumes = volumesOf(container).map((name) => findVolume(parts, name))
  for (const volume of volumes) refuseReplaced(parts, volume)
  // Before the mount: one that was given up may have come about.
  for (const volume of volumes) {
    undo.defer(() => parts.volumeDriver(volume.driver).unmount(volume, container.id))
  }
  const mounted = await Promise.allSettled(volumes.map((volume) => mountVolume(parts, container, volume)))
  const failed = mounted.find(({ status }) => status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason
  for (const volume of volumes) tellMounts(parts, container, volume)
  const paths = mounted.map((result) => (result.status === 'fulfilled' ? result.value : ''))
  return new Map(volumes.map(({ name }, index) => [name, paths[index] ?? '']))
}

/** Docker's events, one for each place that it is at. */
function tellMounts(parts: Parts, container: ContainerRecord, { name, driver }: VolumeRecord): void {
  for (const { target, readOnly, propagation } of placesOf(container, name)) {
    const place = { destination: target, 'read/write': `${!readOnly}`, propagation }
    parts.events.emit('volume', 'mount', name, { driver, container: container.id, ...place })
  }
}

function tellUnmounts(parts: Parts, container: ContainerRecord, { name, driver }: VolumeRecord): void {
  for (const _ of placesOf(container, name))
    parts.events.emit('volume', 'unmount', name, { driver, container: container.id })
}

function placesOf({ mounts }: ContainerRecord, volume: string): MountPoint[] {
  return mounts.filter(({ type, name }) => type === 'volume' && name === volume)
}

async function mountVolume(parts: Parts, container: ContainerRecord, volume: VolumeRecord): Promise<string> {
  try {
    const path = await parts.volumeDriver(volume.driver).mount(volume, container.id)
    await settleLeftOver(parts, volume, path)
    return path
  } catch (error) {
    if (!(error instanceof TsnetError)) throw error
    const message = `error while mounting volume '${volume.mountpoint}': ${error.message}`
    throw new TsnetError(error.kind, error.code, message, { cause: error })
  }
}

/** One step for each volume of a container that has ended; each is safe to repeat. */
export function volumeReleases(parts: Parts, container: ContainerRecord): (() => Promise<void>)[] {
  return volumesOf(container).map((name) => async () => {
    const volume = parts.store.volumes.get(name)
    if (volume === undefined) return
    await parts.volumeDriver(volume.driver).unmount(volume, container.id)
    tellUnmounts(parts, container, volume)
  })
}

/** After a start of the daemon, before anything is released: tells each driver who uses its volumes, and lets it release the others. */
export async function restoreVolumeMounts(parts: Parts): Promise<void> {
  const users = usersByVolume(parts)
  const volumes = [...parts.store.volumes.values()]
  // A driver may have left mounts of volumes that are gone.
  const drivers = new Set(['local', ...volumes.map(({ driver }) => driver)])
  await Promise.all(
    [...drivers].map(async (driver) => {
      const own = volumes.filter((volume) => volume.driver === driver)
      try {
        await parts
          .volumeDriver(driver)
          .restore(own.map((volume) => ({ volume, users: users.get(volume.name) ?? [] })))
      } catch (error) {
        parts.log.error({ err: error, driver }, 'not all mounts of volumes could be restored')
      }
    }),
  )
}

function usersByVolume(parts: Parts): Map<string, string[]> {
  const users = new Map<string, string[]>()
  for (const container of parts.store.containers.values()) {
    if (container.state.status !== 'running') continue
    for (const name of volumesOf(container)) users.set(name, [...(users.get(name) ?? []), container.id])
  }
  for (const { volume, user } of parts.store.loans.values())
    users.set(volume, [...(users.get(volume) ?? []), user])
  return users
}

function volumesOf(container: ContainerRecord): string[] {
  const mounts = container.mounts.filter(({ type }) => type === 'volume')
  return [...new Set(mounts.map(({ name }) => name))]
}
