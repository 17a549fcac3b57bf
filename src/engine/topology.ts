/** What is connected to what: the host's links, networks, and containers with their ways out. */
import { type Address, listAddresses } from '../netlink/address.ts'
import { isUp, type Link, listLinks } from '../netlink/link.ts'
import { openRouteSocket } from '../netlink/socket.ts'
import type { ContainerRecord, EndpointRecord, NetworkRecord } from '../store/records.ts'
import { chooseDefaultRoutes, networkOf, rankEndpoints } from './endpoints.ts'
import type { DefaultRoute, Topology } from './engine.ts'
import type { Parts } from './parts.ts'

export function readTopology(parts: Parts): Topology {
  using socket = openRouteSocket()
  const links = listLinks(socket)
  return {
    interfaces: hostInterfaces(links, listAddresses(socket)),
    networks: [...parts.store.networks.values()].map((network) => ({
      network,
      link: linkOf(parts, network, links),
    })),
    containers: [...parts.store.containers.values()].map((container) => ({
      container,
      routes: defaultRoutes(parts, container),
    })),
  }
}

/** Without the ends of containers' interfaces, which are ports of bridges. */
function hostInterfaces(links: readonly Link[], addresses: readonly Address[]): Topology['interfaces'] {
  return links
    .filter(({ kind, master }) => kind !== 'veth' || master === 0)
    .map((link) => describeLink(link, addresses))
}

function describeLink(link: Link, addresses: readonly Address[]): Topology['interfaces'][number] {
  const { name, kind, mtu, index } = link
  const own = addresses.filter((address) => address.index === index).map(({ cidr }) => cidr)
  return { name, kind, mtu, up: isUp(link), addresses: own }
}

/** Bridges without addresses have no rules, and are known by their tag. */
function linkOf(parts: Parts, network: NetworkRecord, links: readonly Link[]): string {
  const { parent = '', 'com.docker.network.bridge.name': bridge = '' } = network.options
  const tagged = links.find(({ alias, kind }) => kind !== 'vxlan' && isTag(parts, network, alias))
  return parent || bridge || tagged?.name || ''
}

/** Drivers may have marks of their own below the daemon's. */
function isTag(parts: Parts, network: NetworkRecord, alias: string): boolean {
  return alias.startsWith(parts.mark) && alias.endsWith(`:${network.id}`)
}

/** Of a running container, by family. */
export function defaultRoutes(
  parts: Parts,
  container: ContainerRecord,
): { readonly v4: DefaultRoute | null; readonly v6: DefaultRoute | null } {
  if (container.state.status !== 'running') return { v4: null, v6: null }
  const chosen = chooseDefaultRoutes(parts, container.endpoints)
  return {
    v4: explain(parts, container.endpoints, chosen.v4, ({ gateway4 }) => gateway4),
    v6: explain(parts, container.endpoints, chosen.v6, ({ gateway6 }) => gateway6),
  }
}

function explain(
  parts: Parts,
  endpoints: readonly EndpointRecord[],
  chosen: string,
  gatewayOf: (endpoint: EndpointRecord) => string,
): DefaultRoute | null {
  const nameOf = (endpoint: EndpointRecord): string => networkOf(parts, endpoint).name
  const ranked = rankEndpoints(endpoints, nameOf).filter((endpoint) => gatewayOf(endpoint) !== '')
  const [first, second] = ranked
  if (first === undefined || first.id !== chosen) return null
  return { network: nameOf(first), gateway: gatewayOf(first), why: reason(first, second) }
}

function reason(first: EndpointRecord, second: EndpointRecord | undefined): string {
  if (second === undefined) return 'the only network that leads out'
  const { gatewayPriority: priority } = first.request
  return priority > second.request.gatewayPriority
    ? `the highest gw-priority, ${priority}`
    : 'the first by name of those with the highest gw-priority'
}
