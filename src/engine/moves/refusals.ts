/** Why a container cannot leave its host, in words. */

import type { ContainerRecord, MountPoint, VolumeRecord } from '../../store/records.ts'
import { parseLocalOptions } from '../../volumes/local/options.ts'
import { joinsNetwork } from '../joined-network.ts'
import type { Parts } from '../parts.ts'
import { borrowersOf } from '../volume-borrowers.ts'
import { volumeUsers } from '../volume-users.ts'

/** Empty when it can. What only the other host knows is not among them. */
export function reasonsToStay(parts: Parts, container: ContainerRecord): string[] {
  return [
    ...(container.state.status === 'removing' ? ['it is being removed'] : []),
    ...networkReasons(parts, container),
    ...container.mounts.filter(({ type }) => type === 'bind').map(bindReason),
    ...volumesOf(parts, container).flatMap((volume) => volumeReasons(parts, container, volume)),
  ]
}

function bindReason({ source }: MountPoint): string {
  return `bind mount ${source} is a path of this host: use a volume`
}

function networkReasons(parts: Parts, container: ContainerRecord): string[] {
  const { id, spec, endpoints } = container
  const joined = [...parts.store.containers.values()].filter(
    (other) => other.spec.networkMode === `container:${id}`,
  )
  const links = endpoints.flatMap(({ request }) => request.links)
  return [
    ...(joinsNetwork(container) ? [`it is in the network of another container (${spec.networkMode})`] : []),
    ...joined.map(({ name }) => `container ${name} is in its network`),
    ...links.map((link) => `it is linked to another container (--link ${link})`),
  ]
}

/** Those of a container's mounts, each once. */
export function volumesOf({ store }: Pick<Parts, 'store'>, { mounts }: ContainerRecord): VolumeRecord[] {
  const names = new Set(mounts.filter(({ type }) => type === 'volume').map(({ name }) => name))
  return [...names].flatMap((name) => store.volumes.get(name) ?? [])
}

function volumeReasons(parts: Parts, container: ContainerRecord, volume: VolumeRecord): string[] {
  const { name, driver, id } = volume
  if (driver !== 'local') return [`volume ${name} is of driver ${driver}: only local ones move`]
  const others = (volumeUsers(parts).get(name) ?? []).filter((user) => user.id !== container.id)
  const snapshots = [...parts.store.snapshots.values()].filter((snapshot) => snapshot.volume === id)
  return [
    ...placeReasons(volume),
    ...others.map((other) => `volume ${name} is that of container ${other.name} as well`),
    ...borrowersOf(parts, name).map(() => `volume ${name} is in use by another engine`),
    ...(snapshots.length > 0 ? [`volume ${name} ${tellSnapshots(snapshots.length)}`] : []),
  ]
}

function tellSnapshots(count: number): string {
  return count === 1
    ? 'has 1 snapshot, which would be lost: remove it first'
    : `has ${count} snapshots, which would be lost: remove them first`
}

function placeReasons({ name, options }: VolumeRecord): string[] {
  const { place } = parseLocalOptions(options)
  if (place.kind !== 'mount' || !place.device.startsWith('/')) return []
  return [`volume ${name} is ${place.device} of this host`]
}

/** Whether a volume's data is on this host: what is mounted from elsewhere is there on every host. */
export function hasOwnData({ options }: VolumeRecord): boolean {
  return parseLocalOptions(options).place.kind !== 'mount'
}
