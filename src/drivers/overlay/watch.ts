/** Signs that somebody else has changed what overlay networks need: their links to other hosts, entries, the hosts themselves. */
import type { Cluster } from '../../cluster/cluster.ts'
import type { Address } from '../../netlink/address.ts'
import { type NeighbourWatch, type NetlinkEvent, watchEvents, watchNeighbours } from '../../netlink/events.ts'
import type { Forwarding } from '../../netlink/forwarding.ts'
import { isUp, type Link } from '../../netlink/link.ts'
import type { Neighbour } from '../../netlink/neighbour.ts'
import { NUD_PERMANENT } from '../../sys/constants/neighbour.ts'
import type { NetworkId } from '../../values/id.ts'
import type { Peers } from './peers.ts'
import { leastMtu } from './underlay.ts'

/** Milliseconds between two comparisons of all, for what nobody tells of. */
const auditInterval = 60_000

export type Networks = ReadonlyMap<NetworkId, Peers>

/** Follows entries and hosts, and calls `suspect` with networks that are to be compared with what they should be. */
export class OverlayWatch implements Disposable {
  readonly #networks: Networks
  readonly #suspect: (network: NetworkId) => void
  readonly #undo = new DisposableStack()
  /** Hears of entries. */
  readonly entries: NeighbourWatch

  constructor(cluster: Cluster, networks: Networks, suspect: (network: NetworkId) => void) {
    this.#networks = networks
    this.#suspect = suspect
    this.entries = this.#undo.use(watchNeighbours((event) => this.#hear(event)))
    this.#undo.use(watchEvents((event) => this.#hear(event)))
    let mtu = 0
    this.#undo.use(
      cluster.nodes.subscribe((changes) => {
        const isMoved = changes.some(
          ({ key, before, value }) => key === cluster.self.name && before?.address !== value?.address,
        )
        // Packets may be longer or shorter now, or come from elsewhere.
        const before = mtu
        mtu = leastMtu(cluster)
        if (isMoved || mtu !== before) this.#suspectAll()
      }),
    )
    const timer = setInterval(() => this.#suspectAll(), auditInterval).unref()
    this.#undo.defer(() => clearInterval(timer))
  }

  [Symbol.dispose](): void {
    this.#undo.dispose()
  }

  #suspectAll(): void {
    for (const id of this.#networks.keys()) this.#suspect(id)
  }

  #hear(event: NetlinkEvent): void {
    if (event.type === 'lost') this.#suspectAll()
    else if (event.type === 'link') this.#hearLink(event.link)
    else if (event.type === 'link-removed') this.#hearRemoved(event.link)
    else if (event.type === 'address-removed') this.#hearAddress(event.address)
    else if ('forwarding' in event) this.#hearForwarding(event.type === 'forwarding', event.forwarding)
    else if ('neighbour' in event) this.#hearNeighbour(event.type === 'neighbour', event.neighbour)
  }

  #hearLink(link: Link): void {
    for (const [id, { place }] of this.#networks)
      if (
        (place?.port === link.index && (link.master !== place.bridge || !isUp(link))) ||
        (place?.through === link.index && !isUp(link))
      )
        this.#suspect(id)
  }

  #hearAddress({ index }: Address): void {
    for (const [id, { place }] of this.#networks) if (place?.through === index) this.#suspect(id)
  }

  #hearRemoved(link: Link): void {
    for (const [id, { place }] of this.#networks)
      if (place?.port === link.index || place?.bridge === link.index) this.#suspect(id)
  }

  #hearForwarding(isThere: boolean, { port, mac, table, via, fixed }: Forwarding): void {
    for (const [id, { place, table: wanted }] of this.#networks) {
      if (place?.port !== port) continue
      const host = wanted.hostOf(mac)
      const isRight = isThere
        ? table === 'bridge'
          ? !fixed === (host === undefined)
          : via === host
        : host === undefined
      if (!isRight) this.#suspect(id)
    }
  }

  #hearNeighbour(isThere: boolean, { index, address, mac, state }: Neighbour): void {
    for (const [id, { place, table: wanted }] of this.#networks) {
      if (place?.bridge !== index) continue
      const present = isThere && state === NUD_PERMANENT ? mac : undefined
      if (present !== wanted.macOf(address)) this.#suspect(id)
    }
  }
}
