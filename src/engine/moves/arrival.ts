/** A container comes to this host from another one of the cluster. Until etcd says that it is this one's all can be taken back. */
import { createWriteStream, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { movedKey, moveKey } from '../../cluster/keys.ts'
import { errorMessage, TsnetError } from '../../errors.ts'
import { prepareRootfs } from '../../images/rootfs.ts'
import type { ContainerRecord, VolumeRecord } from '../../store/records.ts'
import type { Parts } from '../parts.ts'
import { clusterOf, isConnected } from '../shared-networks.ts'
import { logPath } from '../start.ts'
import { unpack } from '../volume-archives.ts'
import { withVolumeMounted } from '../volume-copies.ts'
import { VolumeUploads } from '../volume-uploads.ts'
import { makeVolume } from '../volumes.ts'
import type { MoveChannel } from './channel.ts'
import {
  type ArrivalNote,
  completeArrival,
  entriesOf,
  type PartNote,
  recordArrival,
  takeBackArrival,
} from './complete-arrival.ts'
import type { Acceptance, Arrived, Commit, Manifest, Outcome, Part } from './messages.ts'
import { hasOwnData } from './refusals.ts'
import { type MoveId, settleWhenever } from './settle.ts'
import { reasonsAgainst, settleIn } from './settling-in.ts'
import { sharedAddresses, sharedNames } from './shared-addresses.ts'

/** Milliseconds without any sign of the worker. */
const deadline = 600_000
const unlimited = { maxSize: null, maxEntries: Number.MAX_SAFE_INTEGER, isLimited: false } as const

/** Takes what comes on the connection. Throws what went wrong; nothing is left here then. */
export async function receiveContainer(parts: Parts, channel: MoveChannel, id: MoveId): Promise<void> {
  const manifest = await channel.receive<Manifest>()
  const { arriving } = parts.moves
  const { container } = manifest
  const taken = await takeName(parts, container, id)
  try {
    const reasons = [...taken, ...(await reasonsAgainst(parts, manifest))]
    const lacks = manifest.images.filter((image) => !parts.store.images.has(image.id))
    const acceptance: Acceptance = { reasons, images: lacks.map((image) => image.id) }
    channel.send(acceptance)
    if (reasons.length === 0) await new Arrival(parts, channel, manifest, id).run()
  } catch (error) {
    channel.sendFailure(error)
    throw error
  } finally {
    // Where etcd has yet to say whose it is it stays among them.
    if (taken.length === 0 && !isUndecided(parts, id)) arriving.delete(container.id)
  }
}

/** From now on nobody here is called so. Returns why that cannot be. */
function takeName(parts: Parts, { id, name }: ContainerRecord, { from, to }: MoveId): Promise<string[]> {
  const { store, moves, locks } = parts
  return locks.run(`name ${name}`, async () => {
    const present = [...store.containers.values(), ...moves.arriving.values()]
    if (present.some((one) => one.name === name)) return [`host ${to} has a container ${name} already`]
    if (store.containers.has(id) || moves.arriving.has(id)) return [`host ${to} has container ${id} already`]
    moves.arriving.set(id, { name, from })
    return []
  })
}

function isUndecided(parts: Parts, id: MoveId): boolean {
  return entriesOf(parts, id, 'receive-commit').length > 0
}

class Arrival {
  readonly #parts: Parts
  readonly #channel: MoveChannel
  readonly #manifest: Manifest
  readonly #id: MoveId
  readonly #uploads: VolumeUploads

  constructor(parts: Parts, channel: MoveChannel, manifest: Manifest, id: MoveId) {
    this.#parts = parts
    this.#channel = channel
    this.#manifest = manifest
    this.#id = id
    this.#uploads = new VolumeUploads(parts.dataRoot)
  }

  async run(): Promise<void> {
    const { journal } = this.#parts.store
    const { id } = this.#manifest.container
    journal.begin('receive', id, this.#id)
    await using undo = new AsyncDisposableStack()
    undo.defer(() => takeBackArrival(this.#parts, id, this.#id))
    const commit = await this.#receiveAll()
    const note = this.#noteOf(commit)
    const isMoved = await this.#commit(commit, note, undo)
    if (!isMoved) return
    const arrived: Arrived = { error: await completeArrival(this.#parts, note) }
    this.#channel.send(arrived)
  }

  async #receiveAll(): Promise<Commit> {
    for (;;) {
      const message = await this.#channel.receive<Part | Commit>()
      if ('commit' in message) return message
      await this.#takePart(message, await this.#channel.receiveStream())
    }
  }

  #takePart({ part, name }: Part, bytes: Readable): Promise<void> {
    if (part === 'image') return this.#takeImage(name, bytes)
    if (part === 'log') return this.#takeLog(bytes)
    const volume = this.#manifest.volumes.find((one) => one.name === name)
    if (part === 'root') return this.#takeRoot(bytes)
    if (volume !== undefined) return this.#takeVolume(volume, bytes)
    throw new TsnetError('internal', 'bad-move', `volume ${name} was not announced`)
  }

  async #takeImage(image: string, bytes: Readable): Promise<void> {
    const { store, images } = this.#parts
    const note: PartNote = { ...this.#id, volume: null }
    if (!store.images.has(image)) store.journal.begin('receive-part', image, note)
    await images.load(bytes, () => {})
    if (store.images.has(image)) return
    throw new TsnetError('internal', 'bad-move', `image ${image} has not come`)
  }

  async #takeLog(bytes: Readable): Promise<void> {
    const path = logPath(this.#parts, this.#manifest.container.id)
    mkdirSync(dirname(path), { recursive: true, mode: 0o710 })
    await pipeline(bytes, createWriteStream(path, { mode: 0o640 }))
  }

  async #takeRoot(bytes: Readable): Promise<void> {
    const { upper } = prepareRootfs(this.#parts.dataRoot, this.#manifest.container.id, [])
    const subject = `move ${this.#manifest.container.name}`
    await this.#asFile(bytes, async (archive) => {
      await this.#parts.workers.run('verify-archive', { archive }, { subject, deadline })
      await this.#parts.workers.run(
        'unpack-volume',
        { archive, root: upper, ...unlimited },
        { subject, deadline },
      )
    })
  }

  async #takeVolume(moved: VolumeRecord, bytes: Readable): Promise<void> {
    const { locks, store, workers } = this.#parts
    const { name } = moved
    const make = (fill?: (volume: VolumeRecord) => Promise<unknown>) =>
      locks.run(`volume ${name}`, async () => {
        if (store.volumes.has(name))
          throw new TsnetError(
            'conflict',
            'volume-exists',
            `volume ${name} has been made on the other host meanwhile`,
          )
        const { driver, options, labels, anonymous, origin } = moved
        return await makeVolume(
          this.#parts,
          { name, driver, options, labels },
          {
            anonymous,
            origin,
            protected: moved.protected,
            ...(fill && { fill }),
            commit: ({ id }) => {
              const note: PartNote = { ...this.#id, volume: id }
              store.journal.begin('receive-part', name, note)
            },
          },
        )
      })
    if (!hasOwnData(moved)) {
      bytes.resume()
      return void (await make())
    }
    await this.#asFile(bytes, async (archive) => {
      const subject = `move volume ${name}`
      await workers.run('verify-archive', { archive }, { subject, deadline })
      await make((volume) =>
        withVolumeMounted(this.#parts, volume, 'import', (root) =>
          unpack(this.#parts, { volume, archive, root, wanted: { ...unlimited, ...wishless } }, {}),
        ),
      )
    })
  }

  async #asFile(bytes: Readable, body: (path: string) => Promise<void>): Promise<void> {
    const token = this.#id.move
    try {
      await this.#uploads.receive(token, 0, bytes)
      await body(this.#uploads.path(token))
    } finally {
      await this.#uploads.remove(token)
    }
  }

  #noteOf({ commit, start }: Commit): ArrivalNote {
    const container = settleIn(this.#parts, commit, this.#manifest.networks)
    return { ...this.#id, container, images: this.#manifest.images, start }
  }

  /** What comes of it is written down before, so that whoever dies in the middle can ask. */
  async #commit(commit: Commit, note: ArrivalNote, undo: AsyncDisposableStack): Promise<boolean> {
    const { store, workers, dataRoot } = this.#parts
    if (!isConnected(clusterOf(this.#parts))) {
      this.#say('not-moved', `etcd is away from host ${note.to}`)
      return false
    }
    const entry = store.journal.begin('receive-commit', note.container.id, note)
    // The former host removes what it has: here all is on the disk before.
    await workers.run('sync-tree', { path: dataRoot }, { subject: `move ${note.container.name}`, deadline })
    const outcome = await this.#askEtcd(commit, note).catch((error: unknown) => errorMessage(error))
    if (typeof outcome === 'string') {
      const later = undo.move()
      this.#say('unknown', outcome)
      return await settleArrival(this.#parts, note, later)
    }
    if (outcome) {
      undo.move()
      this.#say('moved', '')
      recordArrival(this.#parts, note)
    } else {
      store.journal.clear(entry)
      this.#say('not-moved', 'what is its own in the cluster has changed meanwhile')
    }
    return outcome
  }

  /** One transaction makes the container this host's. Returns whether; throws when etcd does not say. */
  #askEtcd({ expected }: Commit, { move, from, to, container }: ArrivalNote): Promise<boolean> {
    const text = `${from} ${to} ${container.id}`
    return clusterOf(this.#parts).state.transfer({
      expected: new Map(expected.map(([key, value]) => [key, value ?? undefined])),
      held: this.#heldBy(container),
      put: new Map([
        [movedKey(from, move), text],
        [movedKey(to, move), text],
        [moveKey(to, move), undefined],
      ]),
    })
  }

  #say(outcome: Outcome['outcome'], reason: string): void {
    const said: Outcome = { outcome, reason }
    this.#channel.send(said)
  }

  #heldBy(container: ContainerRecord): ReadonlyMap<string, string> {
    const { name } = clusterOf(this.#parts).state.self
    const addresses = sharedAddresses(this.#parts, container.endpoints)
    return new Map([
      ...sharedNames(this.#parts, container).map((key) => [key, `${name} ${container.id}`] as const),
      ...addresses.map(({ endpoint, address, subnet }) =>
        subnet.claimOf(endpoint.id, address, `container ${container.name}`),
      ),
    ])
  }
}

/** All that an import may want besides. */
const wishless = { driver: '', options: {}, labels: null, replace: false, now: false } as const

/** etcd did not say, or this daemon was not there to hear it. Returns whether the container is this host's. */
export async function settleArrival(
  parts: Parts,
  note: ArrivalNote,
  undo: AsyncDisposableStack,
): Promise<boolean> {
  const isMoved = await settleWhenever(parts, note)
  if (!isMoved) await undo.disposeAsync()
  else {
    undo.move()
    recordArrival(parts, note)
  }
  return isMoved
}
