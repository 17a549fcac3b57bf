/** A network on a bridge as it should be beside what somebody else has made of it. */
import { listAddresses } from '../../netlink/address.ts'
import { findLink, getLink, isUp, type Link, setLink } from '../../netlink/link.ts'
import { openRouteSocket, type RouteSocket } from '../../netlink/socket.ts'
import type { EndpointId } from '../../values/id.ts'
import { hostVethName } from '../../values/interface-name.ts'
import type { StandingEndpoint } from '../driver.ts'
import { tagOf } from '../link-tags.ts'
import { type BridgeSpec, ensureBridge, findBridge, gatewaysOf } from './links.ts'
import { joinBridge } from './ports.ts'

/** Makes good what is wrong with the bridge and its ports, and returns what was, in words. */
export function repairBridge(
  socket: RouteSocket,
  spec: BridgeSpec,
  endpoints: readonly StandingEndpoint[],
): string[] {
  const { mark, options } = spec
  const faults = bridgeFaults(socket, spec)
  const master = faults.length === 0 ? getLink(socket, spec.name) : ensureBridge(socket, spec)
  const isolated = !options.interContainer
  const portFaults = endpoints.flatMap((endpoint) =>
    repairPort(socket, { ...endpoint, mark, master, isolated }, endpoint),
  )
  return [...faults, ...portFaults]
}

function bridgeFaults(socket: RouteSocket, spec: BridgeSpec): string[] {
  const { mark, network, options, name, mtu } = spec
  const link = findBridge(socket, spec)
  if (link === null) return [`bridge ${name} was gone`]
  const present = new Set(listAddresses(socket, link.index).map(({ cidr }) => cidr))
  return [
    ...(isUp(link) ? [] : [`bridge ${name} was down`]),
    ...gatewaysOf(network, options)
      .filter((cidr) => !present.has(cidr))
      .map((cidr) => `bridge ${name} was without ${cidr}`),
    ...(link.alias === tagOf(mark, network.id) && link.mtu !== mtu
      ? [`bridge ${name} had an MTU of ${link.mtu} instead of ${mtu}`]
      : []),
  ]
}

function repairPort(
  socket: RouteSocket,
  port: Parameters<typeof joinBridge>[2],
  { sandbox: openSandbox }: StandingEndpoint,
): string[] {
  const { master } = port
  const link = findPort(socket, port.mark, port.id)
  if (link === null) return []
  const isPort = link.master === master.index && isUp(link)
  if (!isPort) joinBridge(socket, link.index, port)
  if (link.mtu !== master.mtu) {
    setLink(socket, link.index, { mtu: master.mtu })
    using sandbox = openSandbox()
    // A veth's peer is told by its index in its own namespace.
    using inside = sandbox === null ? null : openRouteSocket(sandbox.netns)
    if (inside !== null) setLink(inside, link.parent, { mtu: master.mtu })
  }
  return isPort ? [] : [`port ${link.name} had left bridge ${master.name}, or was down`]
}

/** Those of the endpoints that have no pair any more: it goes with either of its ends. */
export function lostPorts(mark: string, endpoints: readonly StandingEndpoint[]): EndpointId[] {
  using socket = openRouteSocket()
  return endpoints.map(({ id }) => id).filter((id) => findPort(socket, mark, id) === null)
}

/** The host's end of an endpoint's pair, which gets its tag when all else is done. */
function findPort(socket: RouteSocket, mark: string, id: EndpointId): Link | null {
  const link = findLink(socket, hostVethName(id))
  return link?.kind === 'veth' && link.alias === tagOf(mark, id) ? link : null
}
