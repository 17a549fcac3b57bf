/** A container leaves this host for another one of the cluster. */
import { moveKey } from '../../cluster/keys.ts'
import { errorMessage, TsnetError } from '../../errors.ts'
import { usesImage } from '../../images/image-users.ts'
import { isIdOf, storedName } from '../../images/names.ts'
import { parseReference } from '../../images/reference.ts'
import type { ContainerRecord, ImageRecord } from '../../store/records.ts'
import { newId } from '../../values/id.ts'
import { attemptStart } from '../attempt-start.ts'
import { networkOf } from '../endpoints.ts'
import type { MovedContainer, MoveWatch } from '../engine.ts'
import type { Parts } from '../parts.ts'
import { type ClusterParts, reachableCluster } from '../shared-networks.ts'
import { stopContainer } from '../stop.ts'
import { volumeUsers } from '../volume-users.ts'
import type { MoveChannel } from './channel.ts'
import { asked, completeDeparture, type DepartureNote } from './complete-departure.ts'
import { meetHost } from './meeting.ts'
import type { Acceptance, Arrived, Commit, Manifest, Outcome } from './messages.ts'
import { reasonsToStay, volumesOf } from './refusals.ts'
import { type MoveId, settleWhenever } from './settle.ts'
import { forgoShared, regainShared, sharedAddresses, sharedNames } from './shared-addresses.ts'
import { Shipment } from './shipment.ts'

/** Milliseconds for which whoever asked for a move waits while etcd is away in the middle of it. */
const settlePatience = 10_000
/** Milliseconds that the disk may take. */
const syncDeadline = 60_000
/**
 * Moves a container with its volumes, addresses and names. Throws before anything is stopped when it cannot go, kind 'conflict' with
 * all reasons; when it fails later the container is here as before, and runs if it ran.
 */
export async function moveContainer(
  parts: Parts,
  container: ContainerRecord,
  host: string,
  watch: MoveWatch,
): Promise<MovedContainer> {
  const cluster = reachableCluster(parts, `moving container ${container.name}`)
  parts.moves.refuseLeaving(container)
  parts.moves.leaving.set(container.id, host)
  return await new Departure(parts, cluster, container, host, watch).run()
}

class Departure {
  readonly #parts: Parts
  readonly #cluster: ClusterParts
  readonly #host: string
  readonly #watch: MoveWatch
  readonly #move = newId().slice(0, 32)
  #container: ContainerRecord

  constructor(
    parts: Parts,
    cluster: ClusterParts,
    container: ContainerRecord,
    host: string,
    watch: MoveWatch,
  ) {
    this.#parts = parts
    this.#cluster = cluster
    this.#container = container
    this.#host = host
    this.#watch = watch
  }

  get #id(): MoveId {
    return { move: this.#move, from: this.#cluster.state.self.name, to: this.#host }
  }

  async run(): Promise<MovedContainer> {
    const { moves } = this.#parts
    const { id } = this.#container
    await using undo = new AsyncDisposableStack()
    undo.defer(() => void moves.leaving.delete(id))
    undo.defer(() => this.#cluster.state.release(moveKey(this.#host, this.#move)))
    using channel = await meetHost(this.#cluster.state, this.#id)
    const end = (): void => channel[Symbol.dispose]()
    this.#watch.signal.addEventListener('abort', end)
    undo.defer(() => this.#watch.signal.removeEventListener('abort', end))
    const { images } = await this.#introduce(channel)
    // What arrives from now on, before it is asked for, is what went wrong there.
    const outcome = channel.receive<Outcome>()
    outcome.catch(() => {})
    const sending = this.#sendAll(channel, images, undo)
    try {
      await Promise.race([sending, outcome])
    } catch (error) {
      channel[Symbol.dispose]()
      await sending.catch(() => {})
      throw error
    }
    return await this.#handOver(channel, outcome, await sending, undo)
  }

  /** Throws kind 'conflict' with all that is against it on either host. */
  async #introduce(channel: MoveChannel): Promise<Acceptance> {
    const { store } = this.#parts
    const container = this.#container
    const images = [...store.images.values()].filter(({ id }) => usesImage(container, id))
    const { image } = container.spec
    const manifest: Manifest = {
      move: this.#move,
      from: this.#cluster.state.self.name,
      architecture: process.arch,
      container,
      networks: container.endpoints.map((endpoint) => networkOf(this.#parts, endpoint)),
      volumes: volumesOf(this.#parts, container),
      images: images.map(({ id, tags }) => ({ id, tag: tags.find((tag) => isCalled(image, id, tag)) ?? '' })),
    }
    channel.send(manifest)
    const accepted = await channel.receive<Acceptance>()
    const reasons = [...reasonsToStay(this.#parts, container), ...accepted.reasons]
    if (reasons.length === 0) return accepted
    throw new TsnetError(
      'conflict',
      'cannot-move',
      `container ${container.name} cannot move to host ${this.#host}: ${reasons.join('; ')}`,
    )
  }

  /** Images while it runs still, the rest when it has stopped. */
  async #sendAll(
    channel: MoveChannel,
    images: readonly string[],
    undo: AsyncDisposableStack,
  ): Promise<DepartureNote> {
    const shipment = new Shipment(this.#parts, channel, this.#watch)
    for (const image of images) await shipment.sendImage(image)
    const note = await this.#stop(undo)
    await shipment.sendContainer(this.#container)
    return note
  }

  /** Written down before, so that it comes back whatever happens. */
  async #stop(undo: AsyncDisposableStack): Promise<DepartureNote> {
    const { store, locks } = this.#parts
    const { id } = this.#container
    const ran = this.#find().state.status === 'running'
    const note = {
      ...this.#id,
      ran,
      volumes: volumesOf(this.#parts, this.#container).map(({ id, name }) => ({ id, name })),
    }
    const entry = store.journal.begin('move', id, note)
    undo.defer(() => this.#comeBack(ran, entry))
    if (ran) await this.#end()
    await locks.run(id, async () => {
      this.#container = this.#find()
      if (this.#container.state.status !== 'running') return
      throw new TsnetError(
        'conflict',
        'container-running',
        `container ${this.#container.name} has been started again`,
      )
    })
    this.#secure(undo)
    // Nothing that it had under this host's lease is withdrawn later.
    await this.#cluster.state.settled()
    return { ...note, entry }
  }

  #find(): ContainerRecord {
    const container = this.#parts.store.containers.get(this.#container.id)
    if (container !== undefined) return container
    throw new TsnetError('not-found', 'no-such-container', `No such container: ${this.#container.name}`)
  }

  async #end(): Promise<void> {
    try {
      await stopContainer(this.#parts, this.#find(), { signal: null, timeout: null })
    } catch (error) {
      if (!(error instanceof TsnetError && error.kind === 'unchanged')) throw error
    }
  }

  /** Nobody gets its addresses meanwhile; those that somebody has already stay behind. */
  #secure(undo: AsyncDisposableStack): void {
    for (const { endpoint, family, address, isFixed, subnet } of sharedAddresses(
      this.#parts,
      this.#container.endpoints,
    )) {
      if (subnet.secure(endpoint.id, address)) {
        if (!isFixed) undo.defer(() => subnet.unsecure(endpoint.id, address))
        continue
      }
      const endpoints = this.#container.endpoints.map((one) =>
        one.id === endpoint.id ? { ...one, [`address${family}`]: '' } : one,
      )
      this.#container = { ...this.#container, endpoints }
    }
  }

  async #handOver(
    channel: MoveChannel,
    answer: Promise<Outcome>,
    note: DepartureNote,
    undo: AsyncDisposableStack,
  ): Promise<MovedContainer> {
    const { store, workers, dataRoot } = this.#parts
    const expected = await this.#proof()
    this.#refuseUsers()
    this.#watch.signal.throwIfAborted()
    // From here on it is etcd that says where the container is.
    store.journal.step(note.entry, asked)
    const syncing = { subject: `move ${this.#container.name}`, deadline: syncDeadline }
    await workers.run('sync-tree', { path: dataRoot }, syncing)
    forgoShared(this.#parts, this.#container)
    const commit: Commit = { commit: this.#container, start: note.ran, expected }
    channel.send(commit)
    const { outcome, reason } = await answer.catch((error: unknown) => ({
      outcome: 'unknown' as const,
      reason: errorMessage(error),
    }))
    if (outcome === 'moved') return await this.#leave(channel, note, undo)
    if (outcome === 'unknown') return await this.#settle(channel, note, reason, undo)
    throw new TsnetError('conflict', 'not-moved', `container ${this.#container.name} stays here: ${reason}`)
  }

  /** What etcd has to say of what is to be the other host's. */
  async #proof(): Promise<Commit['expected']> {
    const { state } = this.#cluster
    const own = `${state.self.name} ${this.#container.id}`
    const addresses = sharedAddresses(this.#parts, this.#container.endpoints)
    const proofs = await Promise.all(
      addresses.map(({ endpoint, address, subnet }) => subnet.proofOf(endpoint.id, address)),
    )
    const offer = (await state.list(moveKey(this.#host, this.#move))).get('')
    return [
      [moveKey(this.#host, this.#move), offer ?? ''] as const,
      ...sharedNames(this.#parts, this.#container).map((key) => [key, own] as const),
      ...proofs.flat().map(([key, value]) => [key, value ?? null] as const),
    ]
  }

  #refuseUsers(): void {
    const volumes = volumesOf(this.#parts, this.#container)
    for (const { name } of volumes) {
      const other = volumeUsers(this.#parts)
        .get(name)
        ?.find(({ id }) => id !== this.#container.id)
      if (other !== undefined)
        throw new TsnetError(
          'conflict',
          'cannot-move',
          `volume ${name} is that of container ${other.name} as well`,
        )
    }
  }

  async #leave(
    channel: MoveChannel,
    note: DepartureNote,
    undo: AsyncDisposableStack,
  ): Promise<MovedContainer> {
    undo.move()
    await completeDeparture(this.#parts, this.#container, note)
    try {
      const { error } = await channel.receive<Arrived>()
      return { container: this.#container, error }
    } catch (error) {
      return { container: this.#container, error: errorMessage(error) }
    }
  }

  /** The other host was lost at the very moment, or etcd was: what becomes of it may be known long after its client has given up. */
  async #settle(
    channel: MoveChannel,
    note: DepartureNote,
    reason: string,
    undo: AsyncDisposableStack,
  ): Promise<MovedContainer> {
    const comeBack = undo.move()
    const settled = settleWhenever(this.#parts, this.#id).then(async (isMoved) => {
      if (isMoved) return await this.#leave(channel, note, comeBack)
      await comeBack.disposeAsync()
      throw new TsnetError(
        'unavailable',
        'not-moved',
        `container ${this.#container.name} stays here: ${reason}`,
      )
    })
    settled.catch(() => {})
    const given = Promise.withResolvers<never>()
    const timer = setTimeout(() => given.reject(this.#unsettled(reason)), settlePatience)
    try {
      return await Promise.race([settled, given.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  #unsettled(reason: string): TsnetError {
    return new TsnetError(
      'unavailable',
      'cluster-away',
      `container ${this.#container.name} waits for etcd, which alone knows whether it is here or on host ${this.#host}: ${reason}`,
    )
  }

  async #comeBack(ran: boolean, entry: number): Promise<void> {
    const { store, locks, moves, log } = this.#parts
    const { id } = this.#container
    moves.leaving.delete(id)
    const container = store.containers.get(id)
    if (container !== undefined) regainShared(this.#parts, container)
    store.journal.clear(entry)
    if (!ran || container === undefined || container.state.status === 'running') return
    try {
      await locks.run(id, () => attemptStart(this.#parts, this.#find(), { stays: true }))
    } catch (error) {
      log.error(
        { err: error, container: container.name },
        'a container that has not moved could not be started again',
      )
    }
  }
}

/** Whether a container's image goes by this tag. */
function isCalled(image: string, id: ImageRecord['id'], tag: string): boolean {
  return !isIdOf(id, image) && storedName(parseReference(image)) === tag
}
