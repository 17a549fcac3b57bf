/** Who can reach each published port, as far as the binding decides it: the host's own rules may let in fewer. */
import { formatPorts, type PortSummary, withBrackets } from './list-ports.ts'

/**
 * One published port or range of a container, by the host's address or, where trusted interfaces let clients in to it, by its own; or an
 * address of its own where no port is kept from anybody.
 */
export type Exposure =
  | {
      readonly container: string
      readonly port: PortSummary
      readonly address?: string
      /** The host does not have its address yet. */
      readonly isWaiting?: boolean
    }
  | { readonly container: string; readonly address: string; readonly port?: undefined }

interface PublishingContainer {
  readonly Names: readonly string[] | null
  readonly Ports: readonly PortSummary[] | null
  readonly Trusted?: readonly PortSummary[]
}

interface ListedContainer {
  readonly Names: readonly string[] | null
  readonly NetworkSettings?: { readonly Networks: Readonly<Record<string, ListedEndpoint>> | null }
}

/** A container's part in a network, as lists have it. */
export interface ListedEndpoint {
  readonly NetworkID?: string
  readonly IPAddress?: string
  readonly GlobalIPv6Address?: string
}

/** A network as lists have it. */
export interface ListedNetwork {
  readonly Id: string
  readonly Internal: boolean
  readonly Options: Readonly<Record<string, string>> | null
}

/** The published ports of containers as lists have them. */
export function listExposures(containers: readonly PublishingContainer[]): Exposure[] {
  return containers.flatMap(({ Names, Ports }) =>
    (Ports ?? [])
      .filter(({ IP }) => IP !== undefined && IP !== '')
      .map((port) => ({ container: nameOf(Names), port })),
  )
}

/** Of ports at addresses that are not among the host's `own`, with prefix length, it is said that they wait for these. */
export function markWaiting(exposures: readonly Exposure[], own: readonly string[]): Exposure[] {
  const present = new Set(own.map((address) => address.split('/')[0]))
  return exposures.map((exposure) =>
    exposure.port === undefined || isAlways(exposure.port) || present.has(exposure.port.IP)
      ? exposure
      : { ...exposure, isWaiting: true },
  )
}

/** All addresses, or one of the loopback's, which are the host's without being listed, or the container's own. */
function isAlways({ IP = '', Via }: PortSummary): boolean {
  return Via === 'route' || ['', '0.0.0.0', '::'].includes(IP) || IP.startsWith('127.')
}

/** What clients behind a network's trusted interfaces reach at the containers' own addresses. */
export function listTrusted(containers: readonly PublishingContainer[]): Exposure[] {
  return containers.flatMap(({ Names, Trusted }) =>
    (Trusted ?? []).map((port) => ({ container: nameOf(Names), port, address: port.IP ?? '' })),
  )
}

/** The addresses of containers on networks in the mode nat-unprotected, whose ports need not be published. */
export function listOpenAddresses(
  containers: readonly ListedContainer[],
  networks: readonly ListedNetwork[],
): Exposure[] {
  const byId = new Map(networks.map((network) => [network.Id, network]))
  return containers.flatMap(({ Names, NetworkSettings }) =>
    Object.values(NetworkSettings?.Networks ?? {}).flatMap((endpoint) =>
      openAddresses(endpoint, byId.get(endpoint.NetworkID ?? '')).map((address) => ({
        container: nameOf(Names),
        address,
      })),
    ),
  )
}

function openAddresses(endpoint: ListedEndpoint, network: ListedNetwork | undefined): string[] {
  if (network === undefined || network.Internal) return []
  const isOpen = (family: 4 | 6): boolean =>
    network.Options?.[`com.docker.network.bridge.gateway_mode_ipv${family}`] === 'nat-unprotected'
  return [
    isOpen(4) ? (endpoint.IPAddress ?? '') : '',
    isOpen(6) ? (endpoint.GlobalIPv6Address ?? '') : '',
  ].filter(Boolean)
}

function nameOf(names: readonly string[] | null): string {
  return (names?.[0] ?? '').replace(/^\//, '')
}

/** `0.0.0.0:8080->80/tcp` */
export function formatExposed(exposure: Exposure): string {
  const { port, address } = exposure
  if (port === undefined) return `${address}: every port`
  if (address !== undefined) return `${address}: ${formatPorts([port])}`
  if (port.Via === 'route') return `the container's own address: ${formatPorts([port])}`
  const { IP = '', PublicPort = 0, PrivatePort, Count = 1, Type } = port
  return `${withBrackets(IP)}:${formatRange(PublicPort, Count)}->${formatRange(PrivatePort, Count)}/${Type}`
}

/** In one piece, also where the numbers differ: `ps` alone tells each port, as Docker's does. */
function formatRange(first: number, count: number): string {
  return count === 1 ? `${first}` : `${first}-${first + count - 1}`
}

/** `everyone`, `this host`, `10.0.0.0/8 by eth1` … */
export function formatClients(exposure: Exposure): string {
  const { port, address } = exposure
  if (port === undefined) return everyone(address) + byRoute
  const { IP = '', From, HostInterface } = port
  if (exposure.isWaiting) return `nobody until the host has ${IP}`
  if (IP === '::1' || IP.startsWith('127.') || HostInterface === 'lo') return 'this host'
  const clients =
    From === undefined ? everyone(IP) : From.filter((one) => isSix(one) === isSix(IP)).join(', ')
  const way = (HostInterface ? ` by ${HostInterface}` : '') + (port.Via === 'route' ? byRoute : '')
  const policy = port.HostPolicy === 'respect' ? ", if the host's rules let them in" : ''
  return clients + way + policy
}

const byRoute = ' with a route to it'

function everyone(ip: string): string {
  return isSix(ip) ? 'everyone over IPv6' : 'everyone over IPv4'
}

function isSix(address: string): boolean {
  return address.includes(':')
}

/** Whose address the program sees: a relay hides the client's. */
export function formatSeen({ port }: Exposure): string {
  if (port === undefined) return "the client's"
  if (port.Via === 'proxy') return "the host's"
  return port.IP?.startsWith('127.') ? "the host's" : "the client's"
}
