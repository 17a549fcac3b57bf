/**
 * Routes of the host that lie over a network's subnet: the more specific of the two wins, so that either the containers or what
 * the route leads to is out of reach. A VPN that is switched on after the network was made is the usual cause.
 */
import { isDefaultLike } from '../ipam/subnets.ts'
import { watchEvents } from '../netlink/events.ts'
import { findLink, listLinks } from '../netlink/link.ts'
import { listAllRoutes, type Route } from '../netlink/route.ts'
import { openRouteSocket, type RouteSocket } from '../netlink/socket.ts'
import type { NetworkRecord } from '../store/records.ts'
import { type Cidr, overlaps, parseCidr } from '../values/cidr.ts'
import type { Parts } from './parts.ts'

interface Overlap {
  readonly network: NetworkRecord
  readonly subnet: string
  readonly route: Route
  /** Name of the link by which the route leads, '' for none. */
  readonly link: string
}

/** The bridge of a network; '' for networks that share the host's own subnets, such as macvlan's. */
function bridgeOf(parts: Parts, network: NetworkRecord): string {
  return parts.networkRules.get(network.id)?.find((rule) => rule.kind === 'bridge')?.interface ?? ''
}

/** Records do not change: each network's subnets are parsed once, not once for each route. */
const blocks = new WeakMap<NetworkRecord, readonly Cidr[]>()

function blocksOf(network: NetworkRecord): readonly Cidr[] {
  const known = blocks.get(network) ?? network.pools.map(({ subnet }) => parseCidr(subnet))
  blocks.set(network, known)
  return known
}

/** fe80::/10: each link has such a route, for itself alone. */
const linkLocal = parseCidr('fe80::/10')

function isLinkLocal(block: Cidr): boolean {
  return block.prefix >= linkLocal.prefix && overlaps(linkLocal, block)
}

/** The subnet of a network that a route to `block` lies over, undefined for none. */
function overlapped(network: NetworkRecord, block: Cidr): string | undefined {
  if (isDefaultLike(block) || isLinkLocal(block)) return undefined
  const index = blocksOf(network).findIndex((subnet) => overlaps(subnet, block))
  return network.pools[index]?.subnet
}

/** What lies over the subnets of these networks, their bridges' own routes left out. */
function findOverlaps(parts: Parts, socket: RouteSocket, networks: readonly NetworkRecord[]): Overlap[] {
  const names = new Map(listLinks(socket).map(({ index, name }) => [index, name]))
  const routes = listAllRoutes(socket).map((route) => ({ route, block: parseCidr(route.destination) }))
  return networks.flatMap((network) => {
    const bridge = bridgeOf(parts, network)
    if (bridge === '') return []
    return routes.flatMap(({ route, block }) => {
      const subnet = overlapped(network, block)
      const link = names.get(route.index) ?? ''
      return subnet === undefined || link === bridge ? [] : [{ network, subnet, route, link }]
    })
  })
}

function describe({ subnet, route, link }: Overlap): string {
  const via = route.gateway === '' ? '' : ` via ${route.gateway}`
  const on = link === '' ? '' : ` on ${link}`
  return (
    `subnet ${subnet} overlaps the host's route to ${route.destination}${via}${on}: ` +
    'of the addresses that both have, those behind one of them cannot be reached'
  )
}

/** What to tell whoever has just made a network with subnets of their choice. */
export function overlapWarnings(parts: Parts, network: NetworkRecord): string[] {
  using socket = openRouteSocket()
  return findOverlaps(parts, socket, [network]).map(describe)
}

/**
 * Tells of each route that comes to lie over a network's subnet, by an event and in the log; also of those that are there
 * already. Until the returned handle is disposed of.
 */
export function watchRoutes(parts: Parts): Disposable {
  const watch = new RouteWatch(parts)
  const events = watchEvents(
    (event) => {
      if (event.type === 'route' || event.type === 'route-removed') watch.consider(event.route)
      else if (event.type === 'lost') watch.compare()
    },
    undefined,
    'routes',
  )
  watch.compare()
  return events
}

class RouteWatch {
  readonly #parts: Parts
  #told = new Set<string>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Most routes that come and go are of no network's concern, or its bridge's own. */
  consider(route: Route): void {
    const block = parseCidr(route.destination)
    const network = this.#parts.store.networks
      .values()
      .find((candidate) => overlapped(candidate, block) !== undefined)
    if (network === undefined) return
    using socket = openRouteSocket()
    const bridge = bridgeOf(this.#parts, network)
    if (bridge !== '' && findLink(socket, bridge)?.index !== route.index) this.compare()
  }

  /** Compares the whole with what was told before. */
  compare(): void {
    using socket = openRouteSocket()
    const found = findOverlaps(this.#parts, socket, [...this.#parts.store.networks.values()])
    const told = new Set<string>()
    for (const overlap of found) {
      const key = `${overlap.network.id} ${overlap.subnet} ${overlap.route.destination} ${overlap.link}`
      if (!told.has(key) && !this.#told.has(key)) this.#tell(overlap)
      told.add(key)
    }
    this.#told = told
  }

  #tell(overlap: Overlap): void {
    const { network, subnet, route, link } = overlap
    this.#parts.log.warn({ network: network.name }, describe(overlap))
    this.#parts.events.emit('network', 'overlap', network.id, {
      name: network.name,
      type: network.driver,
      subnet,
      route: route.destination,
      ...(route.gateway !== '' && { gateway: route.gateway }),
      ...(link !== '' && { interface: link }),
    })
  }
}
