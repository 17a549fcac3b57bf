/**
 * What somebody else does to a network's links: a bridge deleted, taken down or robbed of its address, an interface taken out of it or
 * removed; and the way out getting another MTU. The kernel tells of each change of any link; few look wrong, and those are compared with
 * what should be a moment later, when changes of the engine's own have come to an end.
 */
import type { StandingEndpoint } from '../drivers/driver.ts'
import { isDisturbed, ownerOf } from '../drivers/link-tags.ts'
import { errorMessage } from '../errors.ts'
import type { Address } from '../netlink/address.ts'
import { hearEvents, type NetlinkEvent, watchEvents } from '../netlink/events.ts'
import { isUp, type Link, listLinks } from '../netlink/link.ts'
import { openRouteSocket } from '../netlink/socket.ts'
import type { NetworkRecord } from '../store/records.ts'
import { parseCidr } from '../values/cidr.ts'
import type { EndpointId, NetworkId } from '../values/id.ts'
import { isActive } from './active-networks.ts'
import type { Parts } from './parts.ts'
import { findHolder, lostEndpoints, reattachLost } from './reattach.ts'
import { repairNetwork, standingEndpoints } from './repair-network.ts'
import { RepairPacing } from './repair-pacing.ts'

/** Milliseconds from the first sign to the comparison. */
const patience = 200

/** Makes good what somebody else does to the links of networks, tells it by an event and in the log, until disposed of. */
export function watchDrift(parts: Parts): Disposable {
  const drift = new Drift(parts)
  const links = watchEvents((event) => drift.consider(event))
  const routes = watchEvents((event) => drift.considerRoute(event), undefined, 'routes')
  const drivers = parts.networkDrivers().flatMap((driver) => driver.follow?.((id) => drift.suspect(id)) ?? [])
  return {
    [Symbol.dispose]() {
      for (const watch of [links, routes, ...drivers]) watch[Symbol.dispose]()
      drift.stop()
    },
  }
}

class Drift {
  readonly #parts: Parts
  /** Networks and endpoints to look at, by their ids; 'all' for every one of them. */
  #suspects = new Set<string>()
  /** Whether one of the endpoints among them may have lost its interface. */
  #isOneGone = false
  /** By index: a change of the MTU of a link that is not the daemon's may be one of the way out. */
  readonly #mtus = new Map<number, number>()
  #timer: NodeJS.Timeout | null = null
  readonly #pacing = new RepairPacing()
  /** Networks and endpoints that are looked at later, by their ids. */
  readonly #later = new Map<string, NodeJS.Timeout>()
  /** Why networks and endpoints cannot be made good, by their ids, as it was told. */
  readonly #told = new Map<string, string>()
  #isStopped = false

  constructor(parts: Parts) {
    this.#parts = parts
    using socket = openRouteSocket()
    const links = listLinks(socket)
    for (const { index, mtu } of links) this.#mtus.set(index, mtu)
    this.#considerPast(links)
  }

  /** Of what was done while no daemon ran nobody tells. Bridges are in order by now, what hangs on them need not be. */
  #considerPast(links: readonly Link[]): void {
    const owners = new Set(links.map(({ alias }) => ownerOf(this.#parts.mark, alias)))
    const unseen = standingEndpoints(this.#parts, ({ id }) => !owners.has(id))
    for (const { id } of [...unseen.values()].flat()) this.suspect(id)
    for (const link of links) {
      this.#considerLink({ type: 'link', link })
      const id = ownerOf(this.#parts.mark, link.alias)
      if (id === null || link.kind !== 'veth') continue
      if (this.#mtus.get(link.master) !== link.mtu) this.suspect(id)
    }
  }

  consider(event: NetlinkEvent): void {
    if (event.type === 'lost') this.suspect('all')
    else if (event.type === 'link' || event.type === 'link-removed') this.#considerLink(event)
    else if (event.type === 'address-removed') this.#considerAddress(event.address)
  }

  considerRoute(event: NetlinkEvent): void {
    if (event.type === 'lost') this.suspect('all')
    if (event.type !== 'route' && event.type !== 'route-removed') return
    if (parseCidr(event.route.destination).prefix === 0) this.suspect('all')
  }

  stop(): void {
    this.#isStopped = true
    for (const timer of [this.#timer, ...this.#later.values()]) clearTimeout(timer ?? undefined)
    this.#suspects.clear()
  }

  #considerLink({ type, link }: { type: 'link' | 'link-removed'; link: Link }): void {
    const id = ownerOf(this.#parts.mark, link.alias)
    if (type === 'link-removed') this.#mtus.delete(link.index)
    if (id === null) this.#considerForeign(type, link)
    else if (type === 'link-removed') this.suspect(id)
    else if (isDisturbed(link)) this.suspect(id, false)
  }

  #considerForeign(type: 'link' | 'link-removed', link: Link): void {
    const before = this.#mtus.get(link.index)
    if (type === 'link') this.#mtus.set(link.index, link.mtu)
    if (type === 'link' && before !== undefined && before !== link.mtu) this.suspect('all')
    // A bridge that the user made carries no tag.
    const isUsed = (network: NetworkRecord): boolean =>
      this.#parts.networkRules
        .get(network.id)
        ?.some((rule) => rule.kind === 'bridge' && rule.interface === link.name) ?? false
    if (link.kind === 'bridge' && (type === 'link-removed' || !isUp(link))) {
      for (const network of this.#networks()) if (isUsed(network)) this.suspect(network.id)
    }
  }

  #considerAddress({ cidr }: Address): void {
    const { address } = parseCidr(cidr)
    for (const network of this.#networks())
      if (network.pools.some((pool) => pool.gateway === address)) this.suspect(network.id)
  }

  #networks(): NetworkRecord[] {
    return [...this.#parts.store.networks.values()].filter(
      (network) =>
        isActive(this.#parts, network) && this.#parts.networkDriver(network.driver).repair !== undefined,
    )
  }

  /** With `isGone` false a link is changed and none is gone, as it seems to be while the engine makes one. */
  suspect(id: string, isGone = true): void {
    if (this.#isStopped) return
    this.#isOneGone ||= isGone
    this.#suspects.add(id)
    this.#timer ??= setTimeout(() => void this.#compare(), patience).unref()
  }

  async #compare(): Promise<void> {
    const suspects = this.#suspects
    const isOneGone = this.#isOneGone
    this.#suspects = new Set()
    this.#isOneGone = false
    this.#timer = null
    const isSuspect = (id: string): boolean => suspects.has('all') || suspects.has(id)
    const standing = standingEndpoints(this.#parts, ({ id, network }) => isSuspect(id) || isSuspect(network))
    for (const network of this.#networks()) {
      const endpoints = standing.get(network.id) ?? []
      if (isSuspect(network.id) || endpoints.length > 0) await this.#repair(network, endpoints, isOneGone)
    }
  }

  async #repair(
    network: NetworkRecord,
    endpoints: readonly StandingEndpoint[],
    isOneGone: boolean,
  ): Promise<void> {
    let lost: readonly EndpointId[] = []
    await this.#attempt(network.id, network, async () => {
      const faults = await repairNetwork(this.#parts, network, endpoints)
      if (isOneGone) lost = await lostEndpoints(this.#parts, network, endpoints)
      return faults.length > 0
    })
    // A container may be busy for long.
    for (const id of lost) void this.#attempt(id, network, () => reattachLost(this.#parts, id))
  }

  /** Makes one thing good, unless that was done or tried too often of late; `repair` returns whether it was wrong. */
  async #attempt(
    id: NetworkId | EndpointId,
    network: NetworkRecord,
    repair: () => Promise<boolean>,
  ): Promise<void> {
    const rest = this.#pacing.rest(id)
    if (rest > 0) this.#suspectAfter(rest, id)
    if (rest > 0 || this.#isStopped) return
    try {
      if (await repair()) this.#pacing.succeeded(id)
      this.#told.delete(id)
    } catch (error) {
      // What the attempt itself has done is no sign of anything.
      hearEvents()
      for (const own of [id, network.id]) this.#suspects.delete(own)
      const { isFirst, pause } = this.#pacing.failed(id)
      if (pause !== null) this.#suspectAfter(pause, id)
      const message = errorMessage(error)
      if (isFirst || this.#told.get(id) !== message) this.#tellFailure(id, network, message)
      this.#told.set(id, message)
    }
  }

  #suspectAfter(milliseconds: number, id: string): void {
    if (this.#later.has(id) || this.#isStopped) return
    const timer = setTimeout(() => {
      this.#later.delete(id)
      this.suspect(id)
    }, milliseconds)
    this.#later.set(id, timer.unref())
  }

  #tellFailure(
    subject: NetworkId | EndpointId,
    { id, name, driver: type }: NetworkRecord,
    error: string,
  ): void {
    if (this.#isStopped) return
    const container = findHolder(this.#parts, subject as EndpointId)
    const concerned = container === undefined ? {} : { container: container.id }
    this.#parts.log.error({ err: error, network: name, ...concerned }, 'a network could not be made good')
    this.#parts.events.emit('network', 'repair-failed', id, { name, type, error, ...concerned })
  }
}
