/** A bridge network as it should be beside what somebody else has made of it. */
import { listAddresses } from '../../netlink/address.ts'
import { findLink, getLink, isUp, type Link, setLink } from '../../netlink/link.ts'
import { openRouteSocket, type RouteSocket } from '../../netlink/socket.ts'
import type { NetworkRecord } from '../../store/records.ts'
import { hostVethName } from '../../values/interface-name.ts'
import type { DriverContext, StandingEndpoint } from '../driver.ts'
import { tagOf } from '../link-tags.ts'
import { bridgeNameOf, ensureBridge, findBridge, gatewaysOf } from './links.ts'
import { bridgeMtu } from './mtu.ts'
import type { BridgeOptions } from './options.ts'
import { joinBridge } from './ports.ts'

/** Makes good what is wrong, and returns what was, in words. */
export function repairNetwork(
  { mark }: DriverContext,
  network: NetworkRecord,
  options: BridgeOptions,
  endpoints: readonly StandingEndpoint[],
): string[] {
  using socket = openRouteSocket()
  const faults = bridgeFaults(socket, mark, network, options)
  const bridge =
    faults.length === 0
      ? getLink(socket, bridgeNameOf(network, options))
      : ensureBridge(socket, mark, network, options)
  const isolated = !options.interContainer
  const portFaults = endpoints.flatMap((endpoint) =>
    repairPort(socket, { ...endpoint, mark, master: bridge, isolated }, endpoint),
  )
  return [...faults, ...portFaults]
}

function bridgeFaults(
  socket: RouteSocket,
  mark: string,
  network: NetworkRecord,
  options: BridgeOptions,
): string[] {
  const name = bridgeNameOf(network, options)
  const link = findBridge(socket, mark, network, options)
  if (link === null) return [`bridge ${name} was gone`]
  const present = new Set(listAddresses(socket, link.index).map(({ cidr }) => cidr))
  const mtu = bridgeMtu(socket, network, options)
  return [
    ...(isUp(link) ? [] : [`bridge ${name} was down`]),
    ...gatewaysOf(network, options)
      .filter((cidr) => !present.has(cidr))
      .map((cidr) => `bridge ${name} was without ${cidr}`),
    ...(isOwn(link, mark, network) && link.mtu !== mtu
      ? [`bridge ${name} had an MTU of ${link.mtu} instead of ${mtu}`]
      : []),
  ]
}

function isOwn(link: Link, mark: string, network: NetworkRecord): boolean {
  return link.alias === tagOf(mark, network.id)
}

function repairPort(
  socket: RouteSocket,
  port: Parameters<typeof joinBridge>[2],
  { sandbox: openSandbox }: StandingEndpoint,
): string[] {
  const { master } = port
  const link = findLink(socket, hostVethName(port.id))
  if (link?.kind !== 'veth' || link.alias !== tagOf(port.mark, port.id)) return []
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
