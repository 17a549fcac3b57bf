/** A network's entries in the kernel: those of its VXLAN device, of its bridge, and the neighbours that the bridge answers for. */
import { setImmediate } from 'node:timers/promises'
import type { Logger } from '../../log.ts'
import { isNetlinkError } from '../../netlink/error.ts'
import type { NeighbourWatch } from '../../netlink/events.ts'
import { forwardingRemoval, remoteForwarding } from '../../netlink/forwarding.ts'
import type { Request } from '../../netlink/message.ts'
import { neighbourRemoval, permanentNeighbour } from '../../netlink/neighbour.ts'
import { openRouteSocket } from '../../netlink/socket.ts'
import { announceMoved } from './announce.ts'
import type { EntryChange } from './peer-table.ts'

/** Indexes of links. */
export interface EntryPlace {
  /** The VXLAN device. */
  readonly port: number
  readonly bridge: number
  /** The link by which the VXLAN device reaches the other hosts, 0 for any. */
  readonly through: number
}

/** For who looks at entries while they change. */
export interface Looking {
  /** All that changed since, or is to be changed. */
  readonly changed: readonly EntryChange[]
  /** Resolves when nothing changes any more until the end. */
  hold(): Promise<void>
}

/** Changes made in one turn of the event loop: some 10 ms. */
const turnSize = 1000

export class Entries {
  readonly #log: Logger
  readonly #watch: () => NeighbourWatch | null
  readonly #onMissing: () => void
  #place: EntryPlace | null = null
  #waiting: EntryChange[] = []
  #work: Promise<void> = Promise.resolve()
  #isRunning = false
  #isHeld = false
  /** Since somebody looks. */
  #changed: EntryChange[] | null = null

  /** What `watch` gives is not to hear of changes made here; `onMissing` is called when the links are not there. */
  constructor(log: Logger, watch: () => NeighbourWatch | null, onMissing: () => void) {
    this.#log = log
    this.#watch = watch
    this.#onMissing = onMissing
  }

  get place(): EntryPlace | null {
    return this.#place
  }

  /** From now on entries are those of these links. What waited for others is forgotten. */
  bind(place: EntryPlace | null): void {
    this.#place = place
    this.#waiting = []
  }

  /** Makes changes in their order, the first of them at once. */
  change(changes: readonly EntryChange[]): void {
    for (const one of changes) {
      this.#waiting.push(one)
      this.#changed?.push(one)
    }
    if (this.#isHeld || this.#isRunning || this.#waiting.length === 0) return
    this.#isRunning = true
    this.#work = this.#run()
  }

  /** Resolves when all changes so far are made. */
  async done(): Promise<void> {
    while (this.#isRunning) await this.#work
  }

  /**
   * Calls `body` to look at what is there, which takes it many turns. Changes go on meanwhile, and it is told of them; after `hold` they
   * wait for its end.
   */
  async observe<T>(body: (place: EntryPlace, looking: Looking) => Promise<T>): Promise<T | null> {
    await this.done()
    const place = this.#place
    if (place === null) return null
    const changed = [...this.#waiting]
    this.#changed = changed
    const hold = async (): Promise<void> => {
      this.#isHeld = true
      await this.done()
    }
    try {
      return await body(place, { changed, hold })
    } finally {
      this.#changed = null
      this.#isHeld = false
      this.change([])
    }
  }

  /** Makes changes before those that wait, which are of other keys. */
  changeNow(changes: readonly EntryChange[]): void {
    if (this.#place === null || changes.length === 0) return
    const place = this.#place
    using socket = openRouteSocket()
    const act = () => socket.actAll(changes.flatMap((change) => requestsFor(place, change)))
    const refusals = this.#watch()?.unheard(act) ?? act()
    const real = refusals.filter(({ error }) => !isNetlinkError(error, 'ENOENT'))
    if (real.some(({ error }) => isNetlinkError(error, 'ENODEV'))) this.#onMissing()
    if (real.length > 0)
      this.#log.warn(
        { err: real[0]!.error, count: real.length },
        'entries of an overlay network were refused',
      )
    announceMoved(place.bridge, changes)
  }

  async #run(): Promise<void> {
    try {
      while (!this.#isHeld && this.#waiting.length > 0) {
        const next = this.#waiting.splice(0, turnSize)
        this.changeNow(next)
        if (this.#waiting.length > 0) await setImmediate()
      }
    } catch (error) {
      this.#log.error({ err: error }, 'entries of an overlay network could not be changed')
      this.#onMissing()
    } finally {
      this.#isRunning = false
    }
  }
}

function requestsFor({ port, bridge, through }: EntryPlace, change: EntryChange): Request[] {
  if (change.kind === 'neighbour') {
    const { address, mac } = change
    return [mac === null ? neighbourRemoval(bridge, address) : permanentNeighbour(bridge, address, mac)]
  }
  const { mac, via } = change
  if (via !== null) return [remoteForwarding(port, mac, via, through)]
  return [forwardingRemoval(port, mac, 'port'), forwardingRemoval(port, mac, 'bridge')]
}
