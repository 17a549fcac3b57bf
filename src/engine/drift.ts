/**
 * What somebody else does to a network's links: a bridge deleted, taken down or robbed of its address, an interface taken out of it; and
 * the way out getting another MTU. The kernel tells of each change of any link; few look wrong, and those are compared with what should
 * be a moment later, when changes of the engine's own have come to an end.
 */
import type { StandingEndpoint } from '../drivers/driver.ts'
import { isDisturbed, ownerOf } from '../drivers/link-tags.ts'
import { errorMessage } from '../errors.ts'
import type { Address } from '../netlink/address.ts'
import { type NetlinkEvent, watchEvents } from '../netlink/events.ts'
import { isUp, type Link, listLinks } from '../netlink/link.ts'
import { openRouteSocket } from '../netlink/socket.ts'
import type { NetworkRecord } from '../store/records.ts'
import { parseCidr } from '../values/cidr.ts'
import { isActive } from './active-networks.ts'
import type { Parts } from './parts.ts'
import { repairNetwork, standingEndpoints } from './repair-network.ts'

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
  /** By index: a change of the MTU of a link that is not the daemon's may be one of the way out. */
  readonly #mtus = new Map<number, number>()
  #timer: NodeJS.Timeout | null = null

  constructor(parts: Parts) {
    this.#parts = parts
    using socket = openRouteSocket()
    const links = listLinks(socket)
    for (const { index, mtu } of links) this.#mtus.set(index, mtu)
    this.#considerPast(links)
  }

  /** Of what was done while no daemon ran nobody tells. Bridges are in order by now, what hangs on them need not be. */
  #considerPast(links: readonly Link[]): void {
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
    clearTimeout(this.#timer ?? undefined)
    this.#suspects.clear()
  }

  #considerLink({ type, link }: { type: 'link' | 'link-removed'; link: Link }): void {
    const id = ownerOf(this.#parts.mark, link.alias)
    if (id === null) this.#considerForeign(type, link)
    else if (type === 'link-removed' || isDisturbed(link)) this.suspect(id)
  }

  #considerForeign(type: 'link' | 'link-removed', link: Link): void {
    const before = this.#mtus.get(link.index)
    if (type === 'link-removed') this.#mtus.delete(link.index)
    else this.#mtus.set(link.index, link.mtu)
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

  suspect(id: string): void {
    this.#suspects.add(id)
    this.#timer ??= setTimeout(() => void this.#compare(), patience).unref()
  }

  async #compare(): Promise<void> {
    const suspects = this.#suspects
    this.#suspects = new Set()
    this.#timer = null
    const isSuspect = (id: string): boolean => suspects.has('all') || suspects.has(id)
    const standing = standingEndpoints(this.#parts, ({ id, network }) => isSuspect(id) || isSuspect(network))
    for (const network of this.#networks()) {
      const endpoints = standing.get(network.id) ?? []
      if (isSuspect(network.id) || endpoints.length > 0) await this.#repair(network, endpoints)
    }
  }

  async #repair(network: NetworkRecord, endpoints: readonly StandingEndpoint[]): Promise<void> {
    try {
      await repairNetwork(this.#parts, network, endpoints)
    } catch (error) {
      const message = 'a network could not be made good'
      this.#parts.log.error({ err: errorMessage(error), network: network.name }, message)
    }
  }
}
