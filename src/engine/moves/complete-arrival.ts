/** What a host does that knows: the container is its own now, or it never will be. Both are safe to repeat. */
import { errorMessage } from '../../errors.ts'
import { removeRootfs } from '../../images/rootfs.ts'
import type { ContainerRecord } from '../../store/records.ts'
import type { JournalEntry } from '../../store/store.ts'
import type { ContainerId, VolumeId } from '../../values/id.ts'
import { reserveFixed } from '../addresses.ts'
import { attemptStart } from '../attempt-start.ts'
import type { Parts } from '../parts.ts'
import { isShared } from '../shared-networks.ts'
import { VolumeUploads } from '../volume-uploads.ts'
import { removeMoved } from './complete-departure.ts'
import type { ImageOffer } from './messages.ts'
import { forgetMove, type MoveId } from './settle.ts'
import { sharedAddresses, sharedNames } from './shared-addresses.ts'

/** What the journal holds of it from the moment on at which etcd decides. */
export interface ArrivalNote extends MoveId {
  /** As it is on this host. */
  readonly container: ContainerRecord
  readonly images: readonly ImageOffer[]
  /** It ran where it was. */
  readonly start: boolean
}

/** An image or a volume that has been made for it. */
export interface PartNote extends MoveId {
  /** The volume's id; null for an image. */
  readonly volume: VolumeId | null
}

/** What the journal has of a move. */
export function entriesOf(
  { store }: Parts,
  { move }: MoveId,
  ...operations: readonly string[]
): JournalEntry[] {
  return store.journal
    .entries()
    .filter(({ operation, data }) => operations.includes(operation) && (data as MoveId).move === move)
}

/** From here on it is a container of this host. Safe to repeat. */
export function recordArrival(parts: Parts, note: ArrivalNote): void {
  const { store, moves, events, cluster } = parts
  const { container } = note
  const { id, name, spec } = container
  const present = store.containers.get(id)
  if (present === undefined) {
    store.transaction(() => {
      store.containers.put(id, container)
      for (const entry of entriesOf(parts, note, 'receive', 'receive-part')) store.journal.clear(entry.id)
    })
  }
  for (const key of sharedNames(parts, container)) {
    cluster?.names.add(key)
    cluster?.state.holdLater(key, `${cluster.state.self.name} ${id}`)
  }
  for (const { endpoint, address, isFixed, subnet } of sharedAddresses(
    parts,
    (present ?? container).endpoints,
  )) {
    subnet.takeOver(endpoint.id, address, note.start || isFixed)
  }
  moves.arriving.delete(id)
  if (present !== undefined) return
  events.emit('container', 'create', id, { name, image: spec.image })
  events.emit('container', 'move', id, { name, image: spec.image, from: note.from, to: note.to })
}

/** Returns why it does not run although it is to, '' when all is well. */
export async function completeArrival(parts: Parts, note: ArrivalNote): Promise<string> {
  const { store } = parts
  await nameImages(parts, note)
  const container = store.containers.get(note.container.id)
  // Else somebody has removed it already.
  const error = container === undefined ? '' : await settle(parts, container, note.start)
  await forgetMove(parts, note, () => {
    for (const entry of entriesOf(parts, note, 'receive-commit')) store.journal.clear(entry.id)
  })
  return error
}

async function settle(parts: Parts, arrived: ContainerRecord, isToRun: boolean): Promise<string> {
  const { id } = arrived
  const missed = await reserveOthers(parts, arrived)
  if (!isToRun) return missed
  try {
    await parts.locks.run(id, async () => {
      const container = parts.store.containers.get(id)
      if (container === undefined || container.state.status === 'running') return
      // Not even one of --rm goes because it cannot start here.
      await attemptStart(parts, container, { stays: true })
    })
    return ''
  } catch (error) {
    return missed || errorMessage(error)
  }
}

/** Fixed addresses on networks of this host alone. */
async function reserveOthers(parts: Parts, { endpoints }: ContainerRecord): Promise<string> {
  const own = endpoints.filter(({ network }) => {
    const record = parts.store.networks.get(network)
    return record !== undefined && !isShared(record)
  })
  await using undo = new AsyncDisposableStack()
  try {
    await reserveFixed(parts, undo, own)
    undo.move()
    return ''
  } catch (error) {
    return errorMessage(error)
  }
}

/** The image goes by the name that it was used by, unless another one does here. */
async function nameImages({ images, store, log }: Parts, { images: offers }: ArrivalNote): Promise<void> {
  for (const { id, tag } of offers) {
    const isTaken = store.images.values().some(({ tags }) => tags.includes(tag))
    if (tag === '' || isTaken) continue
    await images
      .tag(id, tag)
      .catch((error: unknown) => log.warn({ err: error, image: id }, 'an image stays without its name'))
  }
}

/** What has come of it goes. */
export async function takeBackArrival(parts: Parts, container: ContainerId, id: MoveId): Promise<void> {
  const { store, dataRoot, moves } = parts
  for (const { id: entry, subject, data } of entriesOf(parts, id, 'receive-part')) {
    const { volume } = data as PartNote
    if (volume === null) await removeUnnamed(parts, subject)
    else await removeMoved(parts, { id: volume, name: subject })
    store.journal.clear(entry)
  }
  await new VolumeUploads(dataRoot).remove(id.move)
  await removeRootfs(dataRoot, container)
  for (const entry of entriesOf(parts, id, 'receive', 'receive-commit')) store.journal.clear(entry.id)
  moves.arriving.delete(container)
}

/** Unless somebody has come to want it. */
async function removeUnnamed({ store, images, log }: Parts, id: string): Promise<void> {
  const image = store.images.get(id)
  if (image === undefined || image.tags.length + image.digests.length > 0) return
  await images
    .remove(id, { force: false, prune: true })
    .catch((error: unknown) => log.warn({ err: error, image: id }, 'an image that is not needed stays'))
}
