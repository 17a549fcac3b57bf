/** What a host does that knows: the container is another one's now. Safe to repeat. */

import { errorMessage } from '../../errors.ts'
import { removeRootfs } from '../../images/rootfs.ts'
import type { ContainerRecord, VolumeRecord } from '../../store/records.ts'
import type { ContainerId } from '../../values/id.ts'
import { releaseName } from '../cluster-names.ts'
import { detachEndpoint, networkOf } from '../endpoints.ts'
import { releaseMappings } from '../mappings.ts'
import type { Parts } from '../parts.ts'
import { isShared, sharedEndpoints } from '../shared-networks.ts'
import { forgetChild } from '../stop.ts'
import { removeVolume } from '../volume-removal.ts'
import { forgetMove, type MoveId } from './settle.ts'
import { sharedAddresses } from './shared-addresses.ts'

/** The journal's step from which on the other host may have it. */
export const asked = 'asked'

/** What the journal holds of it. */
export interface DepartureNote extends MoveId {
  readonly ran: boolean
  /** The container's. */
  readonly volumes: readonly Pick<VolumeRecord, 'id' | 'name'>[]
  /** The journal's. */
  readonly entry: number
}

/** `container` is undefined when its record is gone already. */
export async function completeDeparture(
  parts: Parts,
  container: ContainerRecord | undefined,
  note: DepartureNote,
): Promise<void> {
  const { store, moves } = parts
  if (container !== undefined) await giveUp(parts, container, note)
  for (const volume of note.volumes) await removeMoved(parts, volume)
  await forgetMove(parts, note, () => store.journal.clear(note.entry))
  if (container === undefined) return
  moves.leaving.delete(container.id)
  moves.undecided.delete(container.id)
}

async function giveUp(parts: Parts, container: ContainerRecord, { from, to }: DepartureNote): Promise<void> {
  const { store, events, dataRoot } = parts
  const { id, name, spec } = container
  for (const { endpoint, address, subnet } of sharedAddresses(parts, container.endpoints)) {
    subnet.handOver(endpoint.id, address, `container ${name} on ${to}`)
  }
  // Their announcements went when it stopped: what stands there now is the other host's.
  for (const endpoint of sharedEndpoints(parts, container.endpoints)) releaseName(parts, endpoint)
  for (const endpoint of container.endpoints) {
    if (!isShared(networkOf(parts, endpoint))) await detachEndpoint(parts, id as ContainerId, endpoint, false)
  }
  await removeRootfs(dataRoot, id)
  store.containers.delete(id)
  releaseMappings(parts, container)
  await forgetChild(parts, id)
  events.emit('container', 'move', id, { name, image: spec.image, from, to })
  events.emit('container', 'destroy', id, { name, image: spec.image })
}

/** A volume that was made for a move, or is another host's now. Another one of its name stays, and so does what somebody uses. */
export async function removeMoved(
  parts: Parts,
  { id, name }: Pick<VolumeRecord, 'id' | 'name'>,
): Promise<void> {
  const { store, log } = parts
  const volume = store.volumes.get(name)
  if (volume?.id !== id) return
  if (volume.protected) store.volumes.put(name, { ...volume, protected: false })
  try {
    await removeVolume(parts, name, { force: true, now: true, selected: (present) => present.id === id })
  } catch (error) {
    log.warn(
      { err: errorMessage(error), volume: name },
      'a volume that is on another host stays here as well',
    )
  }
}
