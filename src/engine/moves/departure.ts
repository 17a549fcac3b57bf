/** A container leaves this host for another one of the cluster. */
import { randomBytes } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { moveAnswerKey, moveKey } from '../../cluster/keys.ts'
import { errorMessage, TsnetError } from '../../errors.ts'
import { usesImage } from '../../images/image-users.ts'
import type { ContainerRecord } from '../../store/records.ts'
import { newId } from '../../values/id.ts'
import { version } from '../../version.ts'
import { attemptStart } from '../attempt-start.ts'
import { networkOf } from '../endpoints.ts'
import type { MovedContainer, MoveWatch } from '../engine.ts'
import type { Parts } from '../parts.ts'
import { type ClusterParts, reachableCluster } from '../shared-networks.ts'
import { logPath } from '../start.ts'
import { stopContainer } from '../stop.ts'
import { openExport } from '../volume-archives.ts'
import { volumeUsers } from '../volume-users.ts'
import { MoveChannel } from './channel.ts'
import { asked, completeDeparture, type DepartureNote } from './complete-departure.ts'
import { connectOnce } from './link.ts'
import type { Acceptance, Arrived, Commit, Manifest, MoveAnswer, Outcome, Part } from './messages.ts'
import { hasOwnData, reasonsToStay, volumesOf } from './refusals.ts'
import { settleWhenever } from './settle.ts'
import { sharedAddresses, sharedNames } from './shared-addresses.ts'

/** Milliseconds that the other host has to answer in etcd. */
const answerPatience = 5000
/** Milliseconds for which whoever asked for a move waits while etcd is away in the middle of it. */
const settlePatience = 10_000
/** Milliseconds without any sign of the worker, or of the other host. */
const exportDeadline = 300_000

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
  const address = await addressOf(cluster, host)
  parts.moves.leaving.set(container.id, host)
  const departure = new Departure(parts, cluster, container, host, watch)
  return await departure.run(address)
}

/** Throws kind 'not-found' for a host that is not there. */
async function addressOf({ state }: ClusterParts, host: string): Promise<string> {
  await state.nodes.ready()
  const node = state.nodes.values.get(host)
  if (host === state.self.name)
    throw new TsnetError('conflict', 'same-host', `host ${host} is this one: give another one to move to`)
  if (node === undefined) {
    const others = [...state.nodes.values.keys()].filter((name) => name !== state.self.name)
    const known = others.length === 0 ? 'this one is alone' : `the others are ${others.sort().join(', ')}`
    throw new TsnetError('not-found', 'no-such-host', `host ${host} is not in the cluster: ${known}`)
  }
  if (node.version === version) return node.address
  throw new TsnetError(
    'conflict',
    'other-version',
    `host ${host} runs tsnet ${node.version}, this one ${version}: containers move between equal versions`,
  )
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

  get #id() {
    return { move: this.#move, from: this.#cluster.state.self.name, to: this.#host }
  }

  async run(address: string): Promise<MovedContainer> {
    const { moves } = this.#parts
    const { id } = this.#container
    await using undo = new AsyncDisposableStack()
    undo.defer(() => void moves.leaving.delete(id))
    undo.defer(() => this.#cluster.state.release(moveKey(this.#host, this.#move)))
    using channel = await this.#meet(address)
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

  /** The other host says where it waits for this one. */
  async #meet(address: string): Promise<MoveChannel> {
    const { state } = this.#cluster
    const secret = randomBytes(32)
    using answers = state.mirror(moveAnswerKey(this.#move, ''))
    await answers.ready()
    const answered = Promise.withResolvers<string>()
    using _ = answers.subscribe(() => answered.resolve(answers.values.get(this.#host) ?? ''))
    const offer = JSON.stringify({ secret: secret.toString('base64') })
    await state.hold(moveKey(this.#host, this.#move), `${state.self.name} ${offer}`)
    const timer = setTimeout(() => answered.resolve(''), answerPatience)
    const answer = await answered.promise
    clearTimeout(timer)
    if (answer === '') {
      throw new TsnetError(
        'unavailable',
        'host-silent',
        `host ${this.#host} has not answered within ${answerPatience / 1000} s: see whether its daemon runs`,
      )
    }
    const { port } = JSON.parse(answer.slice(answer.indexOf(' ') + 1)) as MoveAnswer
    return new MoveChannel(await connectOnce(address, port, secret), this.#host)
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
      images: images.map(({ id, tags }) => ({ id, tag: tags.find((tag) => tagOf(image) === tag) ?? '' })),
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
    const { images: depot, dataRoot } = this.#parts
    for (const image of images) {
      await this.#send(channel, { part: 'image', name: image }, await depot.save([image]))
    }
    const note = await this.#stop(undo)
    const { id } = this.#container
    const root = join(dataRoot, 'containers', id, 'upper')
    if (existsSync(root)) await this.#send(channel, { part: 'root', name: '' }, this.#archiveOf(root))
    const log = logPath(this.#parts, id)
    if (existsSync(log)) await this.#send(channel, { part: 'log', name: '' }, createReadStream(log))
    for (const volume of volumesOf(this.#parts, this.#container)) {
      const data = hasOwnData(volume)
        ? await openExport(this.#parts, volume.name, null, {})
        : Readable.from([])
      await this.#send(channel, { part: 'volume', name: volume.name }, data)
    }
    return note
  }

  async #send(channel: MoveChannel, part: Part, bytes: Readable): Promise<void> {
    const what = part.name || part.part
    channel.send(part)
    await channel.sendStream(bytes, (sent) => this.#watch.sent(what, sent))
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

  #archiveOf(root: string): Readable {
    const sink = new PassThrough({ highWaterMark: 1 << 20 })
    const label = { name: '', driver: '', labels: {}, options: {} }
    const subject = `move ${this.#container.name}`
    this.#parts.workers
      .run('export-volume', { root, label, resume: null }, { subject, deadline: exportDeadline, sink })
      .then(
        () => sink.end(),
        (error: Error) => sink.destroy(error),
      )
    sink.on('error', () => {})
    return sink
  }

  async #handOver(
    channel: MoveChannel,
    answer: Promise<Outcome>,
    note: DepartureNote,
    undo: AsyncDisposableStack,
  ): Promise<MovedContainer> {
    const expected = await this.#proof()
    this.#refuseUsers()
    this.#watch.signal.throwIfAborted()
    // From here on it is etcd that says where the container is.
    this.#parts.store.journal.step(note.entry, asked)
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

/** How images are called in records. */
function tagOf(image: string): string {
  return image.includes(':') ? image : `${image}:latest`
}
