/**
 * The volumes of a container that is being created. Others may remove one at any time until the container's record refers to it:
 * what is missing is made, and the record is put in the same turn in which all are seen to be there.
 */
import { TsnetError } from '../errors.ts'
import type { ContainerRecord, ContainerSpec, MountPoint, VolumeSpec } from '../store/records.ts'
import { newId } from '../values/id.ts'
import { cleanPath } from '../values/path.ts'
import type { Parts } from './parts.ts'
import { checkWish, createVolume } from './volumes.ts'

export interface NamedVolumes {
  readonly container: ContainerRecord
  /** Names of those that are this container's own. */
  readonly anonymous: readonly string[]
}

/** Names the volumes that have none, before anything is made: a crash leaves nothing that nobody knows. */
export function nameVolumes(planned: ContainerRecord): NamedVolumes {
  const anonymous: string[] = []
  const mounts = planned.mounts.map((mount) => {
    if (mount.type !== 'volume' || mount.name !== '') return mount
    const name = newId()
    anonymous.push(name)
    return { ...mount, name }
  })
  return { container: { ...planned, mounts }, anonymous }
}

/** Makes the volumes that are not there, and calls `record` in the turn in which all are. */
export async function withVolumes<T>(
  parts: Parts,
  { container, anonymous }: NamedVolumes,
  spec: ContainerSpec,
  record: (container: ContainerRecord) => T,
): Promise<T> {
  const volumes = container.mounts.filter(
    ({ type, syntax }) => type === 'volume' && syntax !== 'volumes-from',
  )
  // All of them at first: one that is there may be of another driver.
  let wanted = volumes
  do {
    for (const mount of wanted) await makeVolume(parts, container, mount, spec, anonymous)
    wanted = volumes.filter(({ name }) => !parts.store.volumes.has(name))
  } while (wanted.length > 0)
  refuseVanished(parts, container)
  return record({ ...container, mounts: container.mounts.map((mount) => locate(parts, mount)) })
}

/** What cannot be made again: images, and the volumes of other containers. They may have been removed since they were found. */
function refuseVanished({ store }: Parts, { image, mounts }: ContainerRecord): void {
  if (!store.images.has(image)) throw new TsnetError('not-found', 'no-such-image', `No such image: ${image}`)
  for (const { type, syntax, name, source } of mounts) {
    if (type === 'image' && !store.images.has(source))
      throw new TsnetError('invalid', 'no-such-image', `No such image: ${name}`)
    if (type === 'volume' && syntax === 'volumes-from' && !store.volumes.has(name))
      throw new TsnetError('invalid', 'no-such-volume', `get ${name}: no such volume`)
  }
}

function locate(parts: Parts, mount: MountPoint): MountPoint {
  if (mount.type !== 'volume') return mount
  const volume = parts.store.volumes.get(mount.name)
  return volume === undefined ? mount : { ...mount, driver: volume.driver, source: volume.mountpoint }
}

/** Throws what the drivers have against the volumes that would be made, while nothing is; kind 'not-found' for no such driver. */
export function checkVolumes(parts: Parts, { mounts }: ContainerRecord, spec: ContainerSpec): void {
  for (const mount of mounts) {
    if (mount.type !== 'volume' || mount.syntax === 'volumes-from') continue
    const { name, driver, options } = wantedVolume(mount, spec)
    checkWish(parts.volumeDriver(driver || 'local'), name || newId(), options)
  }
}

function wantedVolume(mount: MountPoint, spec: ContainerSpec): VolumeSpec {
  const request = spec.mounts.find((candidate) => cleanPath(candidate.target) === mount.target)
  return {
    name: mount.name,
    driver: mount.driver,
    options: { ...request?.driverOptions, ...(mount.own !== '' && { own: mount.own }) },
    labels: request?.labels ?? {},
  }
}

async function makeVolume(
  parts: Parts,
  container: ContainerRecord,
  mount: MountPoint,
  spec: ContainerSpec,
  anonymous: readonly string[],
): Promise<void> {
  const origin = { container: container.name, image: spec.image, target: mount.target }
  const making = anonymous.includes(mount.name) ? { anonymous: true, origin } : {}
  await createVolume(parts, wantedVolume(mount, spec), making)
}
