/** What a WireGuard device has beside what every link has: its key and its peers (linux/wireguard.h, drivers/net/wireguard/netlink.c). */
import { TsnetError } from '../errors.ts'
import { AF_INET, AF_INET6 } from '../sys/constants/socket.ts'
import {
  WG_CMD_GET_DEVICE,
  WG_CMD_SET_DEVICE,
  WG_GENL_VERSION,
  WGALLOWEDIP_A_CIDR_MASK,
  WGALLOWEDIP_A_FAMILY,
  WGALLOWEDIP_A_IPADDR,
  WGDEVICE_A_FLAGS,
  WGDEVICE_A_IFINDEX,
  WGDEVICE_A_LISTEN_PORT,
  WGDEVICE_A_PEERS,
  WGDEVICE_A_PRIVATE_KEY,
  WGDEVICE_A_PUBLIC_KEY,
  WGDEVICE_F_REPLACE_PEERS,
  WGPEER_A_ALLOWEDIPS,
  WGPEER_A_ENDPOINT,
  WGPEER_A_FLAGS,
  WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL,
  WGPEER_A_PUBLIC_KEY,
  WGPEER_F_REMOVE_ME,
  WGPEER_F_REPLACE_ALLOWEDIPS,
  WGPEER_F_UPDATE_ONLY,
} from '../sys/constants/wireguard.ts'
import { parseCidr } from '../values/cidr.ts'
import { formatIp, ipFamily, parseIp } from '../values/ip.ts'
import {
  attribute,
  attributeNested,
  attributeU8,
  attributeU16,
  attributeU32,
  decodeAttributeList,
  decodeAttributes,
  numberAttribute,
} from './attribute.ts'
import { findFamily, genericRequest, genlmsghdr, openGenericSocket } from './generic.ts'
import type { RouteSocket } from './socket.ts'

/** Where a peer's packets go. */
export interface WireguardEndpoint {
  readonly address: string
  readonly port: number
}

export interface WireguardPeer {
  /** base64, as all keys here */
  readonly publicKey: string
  readonly endpoint: WireguardEndpoint | null
  /** Whose packets come from the peer, and go to it: CIDRs, each in one peer of a device only. */
  readonly allowed: readonly string[]
}

export interface WireguardDevice {
  /** '' for a device that was given no key yet. */
  readonly publicKey: string
  /** UDP */
  readonly port: number
  readonly peers: readonly WireguardPeer[]
}

/** What is to become of a peer: gone, or there with these. What is left out stays. */
export interface WireguardPeerChange extends Partial<WireguardPeer> {
  readonly publicKey: string
  readonly isGone?: true
  /** Only if it is there. */
  readonly mustExist?: true
  /** Seconds between packets that carry nothing; to begin with them sends the first one at once. 0 for none. */
  readonly keepalive?: number
}

export interface WireguardChange {
  readonly privateKey?: string
  readonly port?: number
  /** In the order in which they are made. */
  readonly peers?: readonly WireguardPeerChange[]
  /** Whether others go. */
  readonly replacesPeers?: boolean
}

/** A list of peers is one attribute, whose length has 16 bits; each of ours takes up to some 200 bytes. */
const mostPeers = 200

/** The bodies of the requests, in their order, that make the change. */
export function encodeWireguard(
  index: number,
  { privateKey, port, peers = [], replacesPeers }: WireguardChange,
): Buffer[][] {
  const first = [
    ...(privateKey === undefined
      ? []
      : [attribute(WGDEVICE_A_PRIVATE_KEY, Buffer.from(privateKey, 'base64'))]),
    ...(port === undefined ? [] : [attributeU16(WGDEVICE_A_LISTEN_PORT, port)]),
    ...(replacesPeers === true ? [attributeU32(WGDEVICE_A_FLAGS, WGDEVICE_F_REPLACE_PEERS)] : []),
  ]
  const requests: Buffer[][] = []
  for (let at = 0; at === 0 || at < peers.length; at += mostPeers) {
    const some = peers.slice(at, at + mostPeers).map((peer) => attributeNested(0, ...encodePeer(peer)))
    requests.push([
      attributeU32(WGDEVICE_A_IFINDEX, index),
      ...(at === 0 ? first : []),
      ...(some.length === 0 ? [] : [attributeNested(WGDEVICE_A_PEERS, ...some)]),
    ])
  }
  return requests
}

function encodePeer(peer: WireguardPeerChange): Buffer[] {
  const { publicKey, endpoint, allowed, keepalive } = peer
  const flags =
    (peer.isGone ? WGPEER_F_REMOVE_ME : 0) |
    (allowed === undefined ? 0 : WGPEER_F_REPLACE_ALLOWEDIPS) |
    (peer.mustExist ? WGPEER_F_UPDATE_ONLY : 0)
  return [
    attribute(WGPEER_A_PUBLIC_KEY, Buffer.from(publicKey, 'base64')),
    attributeU32(WGPEER_A_FLAGS, flags),
    ...(endpoint === undefined || endpoint === null
      ? []
      : [attribute(WGPEER_A_ENDPOINT, encodeEndpoint(endpoint))]),
    ...(keepalive === undefined ? [] : [attributeU16(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, keepalive)]),
    ...(allowed === undefined || allowed.length === 0
      ? []
      : [attributeNested(WGPEER_A_ALLOWEDIPS, ...allowed.map(encodeAllowed))]),
  ]
}

/** sockaddr_in or sockaddr_in6: family in the machine's order, port in the network's. */
function encodeEndpoint({ address, port }: WireguardEndpoint): Buffer {
  const isIpv4 = ipFamily(address) === 4
  const bytes = Buffer.alloc(isIpv4 ? 16 : 28)
  bytes.writeUInt16LE(isIpv4 ? AF_INET : AF_INET6, 0)
  bytes.writeUInt16BE(port, 2)
  bytes.set(parseIp(address), isIpv4 ? 4 : 8)
  return bytes
}

function encodeAllowed(cidr: string): Buffer {
  const { family, address, prefix } = parseCidr(cidr)
  return attributeNested(
    0,
    attributeU16(WGALLOWEDIP_A_FAMILY, family === 4 ? AF_INET : AF_INET6),
    attribute(WGALLOWEDIP_A_IPADDR, parseIp(address)),
    attributeU8(WGALLOWEDIP_A_CIDR_MASK, prefix),
  )
}

/** Reads the bodies of the answers to WG_CMD_GET_DEVICE: a long list of peers, or of one's CIDRs, goes on in the next one. */
export function decodeWireguard(bodies: readonly Buffer[]): WireguardDevice {
  let publicKey = ''
  let port = 0
  const peers = new Map<string, WireguardPeer>()
  for (const body of bodies) {
    const attributes = decodeAttributes(body, genlmsghdr.size)
    publicKey ||= keyOf(attributes.get(WGDEVICE_A_PUBLIC_KEY))
    port ||= numberAttribute(attributes, WGDEVICE_A_LISTEN_PORT) ?? 0
    for (const bytes of decodeAttributeList(attributes.get(WGDEVICE_A_PEERS))) {
      const peer = decodePeer(bytes)
      const begun = peers.get(peer.publicKey)
      const whole = begun === undefined ? peer : { ...begun, allowed: [...begun.allowed, ...peer.allowed] }
      peers.set(peer.publicKey, whole)
    }
  }
  return { publicKey, port, peers: [...peers.values()] }
}

function decodePeer(bytes: Buffer): WireguardPeer {
  const attributes = decodeAttributes(bytes)
  const endpoint = attributes.get(WGPEER_A_ENDPOINT)
  return {
    publicKey: keyOf(attributes.get(WGPEER_A_PUBLIC_KEY)),
    endpoint: endpoint === undefined ? null : decodeEndpoint(endpoint),
    allowed: decodeAttributeList(attributes.get(WGPEER_A_ALLOWEDIPS)).map(decodeAllowed),
  }
}

function decodeEndpoint(bytes: Buffer): WireguardEndpoint {
  const isIpv4 = bytes.readUInt16LE(0) === AF_INET
  const address = isIpv4 ? bytes.subarray(4, 8) : bytes.subarray(8, 24)
  return { address: formatIp(address), port: bytes.readUInt16BE(2) }
}

function decodeAllowed(bytes: Buffer): string {
  const attributes = decodeAttributes(bytes)
  const address = attributes.get(WGALLOWEDIP_A_IPADDR) ?? Buffer.alloc(0)
  return `${formatIp(address)}/${numberAttribute(attributes, WGALLOWEDIP_A_CIDR_MASK) ?? 0}`
}

function keyOf(bytes: Buffer | undefined): string {
  return bytes?.toString('base64') ?? ''
}

/** Changes a device of the thread's namespace. Throws NetlinkError, ENODEV when it is not there. */
export function setWireguard(index: number, change: WireguardChange): void {
  using socket = openGenericSocket()
  const family = wireguardFamily(socket)
  for (const attributes of encodeWireguard(index, change))
    socket.act(
      genericRequest({
        family,
        command: WG_CMD_SET_DEVICE,
        version: WG_GENL_VERSION,
        attributes,
        subject: `WG_CMD_SET_DEVICE of link ${index}`,
      }),
    )
}

/** Throws NetlinkError, ENODEV when the device is not there. */
export function readWireguard(index: number): WireguardDevice {
  using socket = openGenericSocket()
  const answers = socket.dump(
    genericRequest({
      family: wireguardFamily(socket),
      command: WG_CMD_GET_DEVICE,
      version: WG_GENL_VERSION,
      attributes: [attributeU32(WGDEVICE_A_IFINDEX, index)],
      subject: `WG_CMD_GET_DEVICE of link ${index}`,
    }),
  )
  return decodeWireguard(answers.map(({ body }) => body))
}

function wireguardFamily(socket: RouteSocket): number {
  const family = findFamily(socket, 'wireguard')
  if (family !== null) return family
  throw new TsnetError('unsupported', 'netlink', 'generic netlink has no family wireguard: load that module')
}
