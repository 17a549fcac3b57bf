/** The topology as all renderings tell it: what belongs to a network, in words. */
import type { Topology, TopologyContainer, TopologyNetwork, TopologyPort } from '../../api/schema/topology.ts'
import { compareNaturally } from '../sort.ts'

export interface GraphNetwork {
  readonly id: string
  readonly title: string
  /** what follows the title */
  readonly details: string
}

/** A container's place on one network. */
export interface GraphEndpoint {
  readonly network: string
  readonly text: string
}

export interface GraphContainer {
  readonly id: string
  readonly title: string
  /** id of the container whose network it uses, '' for its own */
  readonly owner: string
  readonly endpoints: readonly GraphEndpoint[]
  /** published ports, ways out, whose network it uses */
  readonly notes: readonly string[]
}

export interface Graph {
  readonly host: string
  /** one line for each of the host's own links, the networks' bridges left out */
  readonly interfaces: readonly string[]
  readonly networks: readonly GraphNetwork[]
  readonly containers: readonly GraphContainer[]
}

/** `only` names the networks to be shown, by name or id; empty for all. Throws what is missing. */
export function buildGraph(topology: Topology, only: readonly string[]): Graph {
  const networks = topology.Networks.filter((network) => only.length === 0 || only.some(isMeant(network)))
  const missing = only.find((name) => !topology.Networks.some((network) => isMeant(network)(name)))
  if (missing !== undefined) throw new Error(`network ${missing} not found`)
  const shown = new Set(networks.map(({ Id }) => Id))
  // The link that macvlan and ipvlan networks stand on is one of the host's.
  const bridges = topology.Networks.filter(({ Driver }) => Driver === 'bridge')
  const links = new Set(bridges.map(({ Interface }) => Interface))
  return {
    host: topology.Host.Name,
    interfaces: topology.Host.Interfaces.filter(({ Name }) => Name !== 'lo' && !links.has(Name)).map(
      ({ Name, Up, Addresses }) => [Name, ...Addresses, ...(Up ? [] : ['down'])].join(' '),
    ),
    networks: networks.map(toNetwork).sort((one, other) => compareNaturally(one.title, other.title)),
    containers: topology.Containers.filter((container) => isOn(topology, container, shown))
      .map((container) => toContainer(topology, container, shown))
      .sort((one, other) => compareNaturally(one.title, other.title)),
  }
}

function isMeant({ Id, Name }: TopologyNetwork): (name: string) => boolean {
  return (name) => name === Name || (name.length > 2 && Id.startsWith(name))
}

/** On one of the networks, or in the network of a container that is. */
function isOn(topology: Topology, container: TopologyContainer, shown: ReadonlySet<string>): boolean {
  if (container.Endpoints.some(({ Network }) => shown.has(Network))) return true
  const owner = topology.Containers.find(({ Id }) => Id !== container.Id && Id === container.NetworkOf)
  return owner?.Endpoints.some(({ Network }) => shown.has(Network)) ?? false
}

function toNetwork({ Id, Name, Driver, Internal, Subnets, Interface }: TopologyNetwork): GraphNetwork {
  const parts = [
    Interface === '' || Interface === Name ? Driver : `${Driver} ${Interface}`,
    ...Subnets.map(({ Subnet }) => Subnet),
    ...(Internal ? ['internal'] : []),
  ]
  return { id: Id, title: Name, details: parts.join(', ') }
}

function toContainer(
  topology: Topology,
  container: TopologyContainer,
  shown: ReadonlySet<string>,
): GraphContainer {
  const { Id, Name, State, Endpoints, Ports, DefaultRoutes, NetworkOf } = container
  const owner = topology.Containers.find((other) => other.Id === NetworkOf)?.Name ?? NetworkOf.slice(0, 12)
  return {
    id: Id,
    title: State === 'running' ? Name : `${Name} (${State})`,
    owner: NetworkOf,
    endpoints: Endpoints.filter(({ Network }) => shown.has(Network)).map((endpoint) => ({
      network: endpoint.Network,
      text: isHost(topology, endpoint.Network) ? 'all that the host has' : endpointText(endpoint),
    })),
    notes: [
      ...Ports.map(portText),
      ...Object.entries(DefaultRoutes).flatMap(([family, route]) =>
        route === null ? [] : [`${family} out by ${route.Network} via ${route.Gateway}: ${route.Why}`],
      ),
      ...(NetworkOf === '' ? [] : [`in the network of ${owner}`]),
    ],
  }
}

function isHost(topology: Topology, network: string): boolean {
  return topology.Networks.some(({ Id, Driver }) => Id === network && Driver === 'host')
}

function endpointText({
  Interface,
  IPv4Address,
  IPv6Address,
}: TopologyContainer['Endpoints'][number]): string {
  return [Interface, IPv4Address, IPv6Address].filter((part) => part !== '').join(' ') || 'no address'
}

function portText({ HostIp, HostPort, ContainerPort, Count, Protocol, Via }: TopologyPort): string {
  const range = (first: number): string => (Count > 1 ? `${first}-${first + Count - 1}` : String(first))
  const address = HostIp.includes(':') ? `[${HostIp}]` : HostIp
  const place = HostPort === 0 ? address : `${address}:${range(HostPort)}`
  return `${place} -> ${range(ContainerPort)}/${Protocol}${Via === 'dnat' ? '' : ` by ${Via}`}`
}
