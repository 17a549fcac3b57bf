/**
 * Connection tracking (net/netfilter/nf_conntrack_netlink.c). The kernel asks the rules of address translation about the first
 * packet of a flow only. A UDP client that goes on sending from one port is one flow for ever, and would go on reaching
 * whoever had a published port before.
 */
import { NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_NETFILTER } from '../sys/constants/netlink.ts'
import {
  CTA_FILTER,
  CTA_FILTER_ORIG_FLAGS,
  CTA_IP_V4_DST,
  CTA_IP_V6_DST,
  CTA_PROTO_DST_PORT,
  CTA_PROTO_NUM,
  CTA_TUPLE_IP,
  CTA_TUPLE_ORIG,
  CTA_TUPLE_PROTO,
  CTA_ZONE,
  IPCTNL_MSG_CT_DELETE,
  IPCTNL_MSG_CT_GET,
  NFNL_SUBSYS_CTNETLINK,
} from '../sys/constants/nfnetlink_conntrack.ts'
import { AF_INET, AF_INET6, IPPROTO_UDP } from '../sys/constants/socket.ts'
import { struct, u8, u16 } from '../sys/layout.ts'
import { openNetlinkSocket, setNetlinkOption } from '../sys/netlink-socket.ts'
import { parseCidr } from '../values/cidr.ts'
import { formatIp } from '../values/ip.ts'
import { listAddresses } from './address.ts'
import {
  attribute,
  attributeNested,
  attributeU8,
  attributeU16be,
  attributeU32,
  decodeAttributes,
  nestedAttributes,
} from './attribute.ts'
import { isNetlinkError } from './error.ts'
import { openRouteSocket, RouteSocket } from './socket.ts'

export const nfgenmsg = struct({ nfgen_family: u8, version: u8, res_id: u16 })

/** UDP ports of the host: `count` from `first` on, at one address or at all, '0.0.0.0' or '::', of its family. */
export interface HostPorts {
  readonly address: string
  readonly first: number
  readonly count: number
}

interface Flow {
  readonly destination: string
  readonly port: number
  /** The attributes by which the kernel finds the flow again. */
  readonly key: Buffer
}

/** Makes the kernel forget the UDP flows that go to these ports, so that their next packets meet the present rules. */
export function forgetUdpFlows(ports: readonly HostPorts[]): void {
  if (ports.length === 0) return
  const own = ownAddresses()
  using socket = openConntrackSocket()
  for (const family of [AF_INET, AF_INET6]) {
    const ofFamily = ports.filter(({ address }) => address.includes(':') === (family === AF_INET6))
    if (ofFamily.length === 0) continue
    for (const flow of listUdpFlows(socket, family, ofFamily)) {
      if (ofFamily.some((wanted) => leadsTo(flow, wanted, own))) forgetFlow(socket, family, flow)
    }
  }
}

function openConntrackSocket(): RouteSocket {
  const fd = openNetlinkSocket(NETLINK_NETFILTER)
  setNetlinkOption(fd, NETLINK_EXT_ACK, 1)
  setNetlinkOption(fd, NETLINK_CAP_ACK, 1)
  return new RouteSocket(fd)
}

function ownAddresses(): ReadonlySet<string> {
  using socket = openRouteSocket()
  return new Set(listAddresses(socket).map(({ cidr }) => parseCidr(cidr).address))
}

/** Flows from here to the same port of other hosts are none of ours. */
function leadsTo(flow: Flow, { address, first, count }: HostPorts, own: ReadonlySet<string>): boolean {
  if (flow.port < first || flow.port >= first + count) return false
  if (address !== '0.0.0.0' && address !== '::') return flow.destination === address
  return own.has(flow.destination) || flow.destination.startsWith('127.')
}

/** Fields of a tuple that CTA_FILTER compares: the protocol, the destination's port (net/netfilter/nf_internals.h). */
const FILTER_PROTOCOL = 1 << 3
const FILTER_PORT = 1 << 5

/** One port is looked for by the kernel, where it can (since 5.8); of several all UDP flows are listed. */
function listUdpFlows(socket: RouteSocket, family: number, ports: readonly HostPorts[]): Flow[] {
  const [only] = ports
  const port = ports.length === 1 && only?.count === 1 ? only.first : null
  const tuple = attributeNested(
    CTA_TUPLE_PROTO,
    attributeU8(CTA_PROTO_NUM, IPPROTO_UDP),
    ...(port === null ? [] : [attributeU16be(CTA_PROTO_DST_PORT, port)]),
  )
  const flags = FILTER_PROTOCOL | (port === null ? 0 : FILTER_PORT)
  const body = Buffer.concat([
    nfgenmsg.encode({ nfgen_family: family }),
    attributeNested(CTA_TUPLE_ORIG, tuple),
    attributeNested(CTA_FILTER, attributeU32(CTA_FILTER_ORIG_FLAGS, flags)),
  ])
  return socket
    .dump({ type: messageType(IPCTNL_MSG_CT_GET), flags: 0, body, subject: 'UDP flows' })
    .flatMap((message) => decodeUdpFlow(message.body) ?? [])
}

function messageType(message: number): number {
  return (NFNL_SUBSYS_CTNETLINK << 8) | message
}

function decodeUdpFlow(body: Buffer): Flow | null {
  const attributes = decodeAttributes(body, nfgenmsg.size)
  const tuple = attributes.get(CTA_TUPLE_ORIG)
  if (tuple === undefined) return null
  const parts = decodeAttributes(tuple)
  const addresses = nestedAttributes(parts, CTA_TUPLE_IP)
  const protocol = nestedAttributes(parts, CTA_TUPLE_PROTO)
  const destination = addresses.get(CTA_IP_V4_DST) ?? addresses.get(CTA_IP_V6_DST)
  const port = protocol.get(CTA_PROTO_DST_PORT)
  if (protocol.get(CTA_PROTO_NUM)?.[0] !== IPPROTO_UDP || !destination || !port) return null
  const zone = attributes.get(CTA_ZONE)
  const key = [attributeNested(CTA_TUPLE_ORIG, tuple), ...(zone ? [attribute(CTA_ZONE, zone)] : [])]
  return { destination: formatIp(destination), port: port.readUInt16BE(), key: Buffer.concat(key) }
}

/** One that has ended meanwhile is no error. */
function forgetFlow(socket: RouteSocket, family: number, flow: Flow): void {
  const body = Buffer.concat([nfgenmsg.encode({ nfgen_family: family }), flow.key])
  const subject = `UDP flow to ${flow.destination} port ${flow.port}`
  try {
    socket.act({ type: messageType(IPCTNL_MSG_CT_DELETE), flags: 0, body, subject })
  } catch (error) {
    if (!isNetlinkError(error, 'ENOENT')) throw error
  }
}
