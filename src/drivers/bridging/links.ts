/**
 * The kernel's side of a bridge network: the bridge in the daemon's namespace. Each link is tagged with its owner's id in its
 * alias, and only tagged links are removed.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { TsnetError } from '../../errors.ts'
import { addAddress, listAddresses, removeAddress } from '../../netlink/address.ts'
import { type BridgeSettings, bridge } from '../../netlink/kinds/bridge.ts'
import { createLink, findLink, getLink, type Link, listLinks, setLink } from '../../netlink/link.ts'
import type { RouteSocket } from '../../netlink/socket.ts'
import type { NetworkRecord } from '../../store/records.ts'
import { RT_SCOPE_UNIVERSE } from '../../sys/constants/rtnetlink.ts'
import { parseCidr } from '../../values/cidr.ts'
import { bridgeName } from '../../values/interface-name.ts'
import { macOf } from '../../values/mac.ts'
import { removeUnwanted, tagOf } from '../link-tags.ts'
import { hasIpv6 } from './mtu.ts'
import type { BridgingOptions } from './options.ts'

/** Of any daemon on this machine. */
const anyTag = /^tsnet[^:]*:/

/**
 * Nobody on a network of containers asks who is in which group, and without such a querier the kernel floods every group's frames all
 * the same (br_multicast_querier_exists() in net/bridge/br_multicast.c), but would follow all ports' groups, and look at each port
 * whenever one comes or goes.
 */
const settings: BridgeSettings = { stp: false, multicastSnooping: false }

/** What a network's bridge is to be. */
export interface BridgeSpec {
  /** Begins the aliases of the driver's links. */
  readonly mark: string
  readonly network: NetworkRecord
  readonly options: BridgingOptions
  /** Derived from the network's id, or of the user's choice. */
  readonly name: string
  /** bytes */
  readonly mtu: number
  /** Whether it is told who its neighbours are, which takes IPv6 on it even where it has no address. */
  readonly toldNeighbours?: boolean
}

/** Makes the bridge or completes it; what is right already stays untouched. Returns it. */
export function ensureBridge(socket: RouteSocket, spec: BridgeSpec): Link {
  const { mark, network, options, mtu } = spec
  const link = findBridge(socket, spec) ?? createBridge(socket, spec)
  // A bridge that somebody else made keeps its own settings, and its own addresses beside the gateways.
  const isOwn = link.alias === tagOf(mark, network.id)
  writeBridgeSysctls({ ...spec, name: link.name }, isOwn)
  setLink(socket, link.index, isOwn ? { up: true, mtu } : { up: true })
  ensureGateways(socket, link, gatewaysOf(network, options), isOwn)
  return isOwn ? { ...link, mtu } : link
}

/** The network's bridge, or a bridge that the user made and named; null when there is none. */
export function findBridge(
  socket: RouteSocket,
  { mark, network, name }: Omit<BridgeSpec, 'options' | 'mtu'>,
): Link | null {
  const link = findLink(socket, name)
  if (link === null) return null
  if (link.kind !== 'bridge') {
    const kind = link.kind === '' ? 'no virtual link' : `a ${link.kind}`
    throw taken(
      `network ${network.name}: interface ${name} exists and is ${kind}, not a bridge: give another name`,
    )
  }
  if (anyTag.test(link.alias) && link.alias !== tagOf(mark, network.id)) {
    const other = link.alias.replace(anyTag, '')
    throw taken(`network ${network.name}: bridge ${name} belongs to network ${other}: give another name`)
  }
  return name === bridgeName(network.id) ? tagBridge(socket, mark, link, network, name) : link
}

/** It is born under the name derived from its id; name and tag then come in one request, so never the one without the other. */
function createBridge(socket: RouteSocket, { mark, network, name }: BridgeSpec): Link {
  const born = bridgeName(network.id)
  if (name === born || findLink(socket, born) === null) {
    // A bridge without an address of its own takes over that of its lowest port, and changes it as ports come and go. One that is made
    // again has the address that its containers know.
    createLink(socket, { name: born, kind: bridge(settings), address: macOf(network.id) })
  }
  return tagBridge(socket, mark, getLink(socket, born), network, name)
}

function tagBridge(
  socket: RouteSocket,
  mark: string,
  link: Link,
  network: NetworkRecord,
  name: string,
): Link {
  const alias = tagOf(mark, network.id)
  if (link.alias !== alias || link.name !== name) setLink(socket, link.index, { name, alias })
  return { ...link, name, alias }
}

/** The addresses that the bridge is to have, with prefix length. */
export function gatewaysOf(network: NetworkRecord, options: BridgingOptions): string[] {
  return network.pools.flatMap((pool) => {
    const { family, prefix } = parseCidr(pool.subnet)
    const isBare = family === 4 ? options.inhibit4 || isIsolated(options, 4) : isIsolated(options, 6)
    return pool.gateway === '' || isBare ? [] : [`${pool.gateway}/${prefix}`]
  })
}

/** The host is not to be reached from the network by this family. */
function isIsolated(options: BridgingOptions, family: 4 | 6): boolean {
  return (family === 4 ? options.gatewayMode4 : options.gatewayMode6) === 'isolated'
}

function ensureGateways(socket: RouteSocket, link: Link, gateways: readonly string[], isOwn: boolean): void {
  const present = listAddresses(socket, link.index).filter((address) => address.scope === RT_SCOPE_UNIVERSE)
  for (const { cidr } of present) {
    if (isOwn && !gateways.includes(cidr)) removeAddress(socket, link.index, cidr)
  }
  for (const gateway of gateways) {
    if (!present.some(({ cidr }) => cidr === gateway)) addAddress(socket, link.index, gateway)
  }
}

/**
 * route_localnet lets ports published on 127.0.0.1 be sent on into the bridge. Router advertisements from containers
 * are not to change the host's routes. Without a link-local address of its own the kernel asks no container for its hardware address
 * (ndisc_solicit() in net/ipv6/ndisc.c), and duplicate detection holds that back for a second or two.
 */
function writeBridgeSysctls(
  { name, network, options, toldNeighbours = false }: BridgeSpec,
  isOwn: boolean,
): void {
  writeFileSync(`/proc/sys/net/ipv4/conf/${name}/route_localnet`, '1')
  const ipv6 = `/proc/sys/net/ipv6/conf/${name}`
  if (!existsSync(ipv6)) return
  writeFileSync(`${ipv6}/accept_ra`, '0')
  if (isOwn) writeFileSync(`${ipv6}/accept_dad`, '0')
  if (!hasIpv6(network)) return
  const isBare = isOwn && isIsolated(options, 6)
  if (isBare && toldNeighbours) writeFileSync(`${ipv6}/addr_gen_mode`, noLinkLocal)
  // Without IPv6 the bridge passes its containers' packets on but has no address, not even a link-local one.
  writeFileSync(`${ipv6}/disable_ipv6`, isBare && !toldNeighbours ? '1' : '0')
}

/** IN6_ADDR_GEN_MODE_NONE of <linux/if_link.h> */
const noLinkLocal = '1'

/** The network's bridge under either of its names; one that somebody else made is none. */
export function ownBridges(
  socket: RouteSocket,
  { mark, network, name }: Omit<BridgeSpec, 'options' | 'mtu'>,
): Link[] {
  return [...new Set([name, bridgeName(network.id)])].flatMap((candidate) => {
    const link = findLink(socket, candidate)
    if (link?.kind !== 'bridge') return []
    // Without a tag but under the derived name: its creation was cut short.
    const isOwn =
      link.alias === tagOf(mark, network.id) || (link.alias === '' && candidate === bridgeName(network.id))
    return isOwn ? [link] : []
  })
}

/** Removes veth pairs, bridges and other kinds of ports that carry the mark with an id that is not among `wanted`. Returns their names. */
export async function sweepLinks(
  socket: RouteSocket,
  mark: string,
  wanted: ReadonlySet<string>,
  ...otherPorts: readonly string[]
): Promise<string[]> {
  const removed: string[] = []
  for (const kind of ['veth', ...otherPorts, 'bridge']) {
    removed.push(...(await removeUnwanted(listLinks(socket, kind), mark, wanted)))
  }
  return removed
}

function taken(message: string): TsnetError {
  return new TsnetError('conflict', 'interface-taken', message)
}
