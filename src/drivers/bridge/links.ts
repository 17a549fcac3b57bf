/**
 * The kernel's side of a bridge network: the bridge in the daemon's namespace, and per endpoint a veth pair whose far
 * end is born in the sandbox. Each link is tagged with its owner's id in its alias, and only tagged links are removed.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { TsnetError } from '../../errors.ts'
import { addAddress, listAddresses, removeAddress } from '../../netlink/address.ts'
import { isNetlinkError } from '../../netlink/error.ts'
import { bridge, setBridgePort } from '../../netlink/kinds/bridge.ts'
import { veth } from '../../netlink/kinds/veth.ts'
import { createLink, findLink, getLink, type Link, listLinks, setLink } from '../../netlink/link.ts'
import { removeLink } from '../../netlink/link-removal.ts'
import { removeNeighbour } from '../../netlink/neighbour.ts'
import { listRoutes } from '../../netlink/route.ts'
import type { RouteSocket } from '../../netlink/socket.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import type { NetworkRecord } from '../../store/records.ts'
import { RT_SCOPE_UNIVERSE } from '../../sys/constants/rtnetlink.ts'
import { parseCidr } from '../../values/cidr.ts'
import type { EndpointId, NetworkId } from '../../values/id.ts'
import { bridgeName, hostVethName } from '../../values/interface-name.ts'
import { randomMac } from '../../values/mac.ts'
import type { BridgeOptions } from './options.ts'

/** The ifalias by which a link is found again without the store; `mark` is the daemon's. */
function tagOf(mark: string, id: NetworkId | EndpointId): string {
  return `${mark}:${id}`
}

/** Of any daemon on this machine. */
const anyTag = /^tsnet[^:]*:/

/** The name of a network's bridge. */
export function bridgeNameOf(network: NetworkRecord, options: BridgeOptions): string {
  return options.bridgeName === '' ? bridgeName(network.id) : options.bridgeName
}

/** Makes the bridge or completes it; what is right already stays untouched. Returns it. */
export function ensureBridge(
  socket: RouteSocket,
  mark: string,
  network: NetworkRecord,
  options: BridgeOptions,
): Link {
  const mtu = bridgeMtu(socket, network, options)
  const link = findBridge(socket, mark, network, options) ?? createBridge(socket, mark, network, options)
  // A bridge that somebody else made keeps its own settings, and its own addresses beside the gateways.
  const isOwn = link.alias === tagOf(mark, network.id)
  writeBridgeSysctls(link.name, network, options, isOwn)
  setLink(socket, link.index, isOwn ? { up: true, mtu } : { up: true })
  ensureGateways(socket, link, gatewaysOf(network, options), isOwn)
  return isOwn ? { ...link, mtu } : link
}

/** The network's bridge, or a bridge that the user made and named; null when there is none. */
function findBridge(
  socket: RouteSocket,
  mark: string,
  network: NetworkRecord,
  options: BridgeOptions,
): Link | null {
  const name = bridgeNameOf(network, options)
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
function createBridge(
  socket: RouteSocket,
  mark: string,
  network: NetworkRecord,
  options: BridgeOptions,
): Link {
  const born = bridgeName(network.id)
  const name = bridgeNameOf(network, options)
  if (name === born || findLink(socket, born) === null) {
    // A bridge without an address of its own takes over that of its lowest port, and changes it as ports come and go.
    createLink(socket, { name: born, kind: bridge({ stp: false }), address: randomMac() })
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

/** RFC 8200, section 5. The kernel takes IPv6 from a link with less. */
const minimumMtu6 = 1280

/** The MTU asked for, else that of the link which leads out, else Ethernet's. */
function bridgeMtu(socket: RouteSocket, network: NetworkRecord, options: BridgeOptions): number {
  if (options.mtu === 0) return Math.max(outsideMtu(socket), hasIpv6(network) ? minimumMtu6 : 0)
  if (options.mtu >= minimumMtu6 || !hasIpv6(network)) return options.mtu
  throw new TsnetError(
    'invalid',
    'mtu-too-small',
    `network ${network.name}: an MTU of ${options.mtu} is too small for IPv6, which needs ${minimumMtu6}: give a larger one, or no IPv6`,
  )
}

function outsideMtu(socket: RouteSocket): number {
  for (const family of [4, 6] as const) {
    const routes = listRoutes(socket, family).filter((route) => parseCidr(route.destination).prefix === 0)
    const best = routes.sort((a, b) => a.metric - b.metric).find((route) => route.index !== 0)
    if (best !== undefined) return getLink(socket, best.index).mtu
  }
  return 1500
}

function hasIpv6(network: NetworkRecord): boolean {
  return network.pools.some((pool) => parseCidr(pool.subnet).family === 6)
}

/** The addresses that the bridge is to have, with prefix length. */
function gatewaysOf(network: NetworkRecord, options: BridgeOptions): string[] {
  return network.pools.flatMap((pool) => {
    const { family, prefix } = parseCidr(pool.subnet)
    const isBare = family === 4 ? options.inhibit4 || isIsolated(options, 4) : isIsolated(options, 6)
    return pool.gateway === '' || isBare ? [] : [`${pool.gateway}/${prefix}`]
  })
}

/** The host is not to be reached from the network by this family. */
function isIsolated(options: BridgeOptions, family: 4 | 6): boolean {
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
  name: string,
  network: NetworkRecord,
  options: BridgeOptions,
  isOwn: boolean,
): void {
  writeFileSync(`/proc/sys/net/ipv4/conf/${name}/route_localnet`, '1')
  const ipv6 = `/proc/sys/net/ipv6/conf/${name}`
  if (!existsSync(ipv6)) return
  writeFileSync(`${ipv6}/accept_ra`, '0')
  if (isOwn) writeFileSync(`${ipv6}/accept_dad`, '0')
  if (!hasIpv6(network)) return
  // Without IPv6 the bridge passes its containers' packets on but has no address, not even a link-local one.
  writeFileSync(`${ipv6}/disable_ipv6`, isOwn && isIsolated(options, 6) ? '1' : '0')
}

/** The network's bridge under either of its names; one that somebody else made is none. */
export function ownBridges(
  socket: RouteSocket,
  mark: string,
  network: NetworkRecord,
  options: BridgeOptions,
): Link[] {
  return [...new Set([bridgeNameOf(network, options), bridgeName(network.id)])].flatMap((name) => {
    const link = findLink(socket, name)
    if (link?.kind !== 'bridge') return []
    // Without a tag but under the derived name: its creation was cut short.
    const isOwn =
      link.alias === tagOf(mark, network.id) || (link.alias === '' && name === bridgeName(network.id))
    return isOwn ? [link] : []
  })
}

/** What an endpoint's veth pair is to be. */
export interface PortSpec {
  /** the daemon's */
  readonly mark: string
  readonly id: EndpointId
  /** The bridge. */
  readonly master: Link
  /** The far end's name in the sandbox, and its hardware address. */
  readonly interfaceName: string
  readonly mac: string
  /** Whether the port may exchange frames with other ports. */
  readonly isolated: boolean
}

/**
 * Makes the pair: the host's end a port of the bridge, the far end in the sandbox, down. A left-over pair is replaced. Returns the port's
 * index.
 */
export async function createPort(socket: RouteSocket, sandbox: Sandbox, port: PortSpec): Promise<number> {
  const name = hostVethName(port.id)
  const { mtu } = port.master
  const peer = { name: port.interfaceName, address: port.mac, mtu, netns: sandbox.netns }
  const create = () => createLink(socket, { name, kind: veth(peer), mtu })
  try {
    create()
  } catch (error) {
    const isLeftOver = isNetlinkError(error, 'EEXIST') && (await removePort(socket, port.mark, port.id))
    if (!isLeftOver) throw error
    create()
  }
  const { index } = getLink(socket, name)
  setLink(socket, index, { alias: tagOf(port.mark, port.id), master: port.master.index, up: true })
  // No frame passes before the far end is up. Port isolation works in the bridge itself, without br_netfilter.
  const hairpin = filtersBridgedFrames()
  if (port.isolated || hairpin) setBridgePort(socket, index, { isolated: port.isolated, hairpin })
  return index
}

/**
 * Where br_netfilter passes bridged frames to iptables, a container reaches its own published port only if its bridge port may
 * send a frame back to where it came from.
 */
function filtersBridgedFrames(): boolean {
  const path = '/proc/sys/net/bridge/bridge-nf-call-iptables'
  return existsSync(path) && readFileSync(path, 'utf8').startsWith('1')
}

/** Removes an endpoint's pair by its end on the host, and returns whether there was one. Safe to repeat. */
export async function removePort(socket: RouteSocket, mark: string, id: EndpointId): Promise<boolean> {
  const link = findLink(socket, hostVethName(id))
  // Without tag and master its creation was cut short.
  const isOwn =
    link?.kind === 'veth' && (link.alias === tagOf(mark, id) || (link.alias === '' && link.master === 0))
  if (isOwn) await removeLink(link.index)
  return isOwn
}

/** Makes the host forget which hardware address had these addresses before, with or without prefix length; '' is skipped. */
export function forgetNeighbours(socket: RouteSocket, bridgeLink: Link, addresses: readonly string[]): void {
  for (const text of addresses) {
    const [address = ''] = text.split('/')
    if (address !== '') removeNeighbour(socket, bridgeLink.index, address)
  }
}

/** Removes bridges and veth pairs that carry the daemon's mark with an id that is not among `wanted`. Returns their names. */
export async function sweepLinks(
  socket: RouteSocket,
  mark: string,
  wanted: ReadonlySet<string>,
): Promise<string[]> {
  const removed: string[] = []
  for (const kind of ['veth', 'bridge']) {
    for (const link of listLinks(socket, kind)) {
      const [owner, id = ''] = link.alias.split(':')
      if (owner !== mark || wanted.has(id)) continue
      await removeLink(link.index)
      removed.push(link.name)
    }
  }
  return removed
}

function taken(message: string): TsnetError {
  return new TsnetError('conflict', 'interface-taken', message)
}
