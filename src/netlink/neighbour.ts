/** Neighbour entries, IP to hardware address: RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH (rtnetlink(7), net/core/neighbour.c). */
import { NDA_DST, NDA_IFINDEX, NDA_LLADDR, NUD_PERMANENT } from '../sys/constants/neighbour.ts'
import { NLM_F_CREATE, NLM_F_REPLACE } from '../sys/constants/netlink.ts'
import { RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH } from '../sys/constants/rtnetlink.ts'
import { AF_INET, AF_INET6 } from '../sys/constants/socket.ts'
import { i32, struct, u8, u16 } from '../sys/layout.ts'
import { type Family, formatIp, ipFamily, parseIp } from '../values/ip.ts'
import { formatMac, parseMac } from '../values/mac.ts'
import { attribute, attributeU32, decodeAttributes } from './attribute.ts'
import { isNetlinkError } from './error.ts'
import type { Request } from './message.ts'
import type { RouteSocket } from './socket.ts'

export const ndmsg = struct({
  family: u8,
  _pad1: u8,
  _pad2: u16,
  ifindex: i32,
  state: u16,
  flags: u8,
  type: u8,
})

export interface Neighbour {
  /** The link's index. */
  readonly index: number
  readonly address: string
  /** The hardware address, '' while it is not known. */
  readonly mac: string
  /** NUD_* */
  readonly state: number
}

function header(index: number, address: string, state: number): Buffer {
  const family = ipFamily(address) === 4 ? AF_INET : AF_INET6
  return Buffer.concat([
    ndmsg.encode({ family, ifindex: index, state }),
    attribute(NDA_DST, parseIp(address)),
  ])
}

/** The body of the RTM_NEWNEIGH that makes a permanent entry. */
export function encodeNeighbour(index: number, address: string, mac: string): Buffer {
  return Buffer.concat([header(index, address, NUD_PERMANENT), attribute(NDA_LLADDR, parseMac(mac))])
}

/** Reads the body of RTM_NEWNEIGH or RTM_DELNEIGH. */
export function decodeNeighbour(body: Buffer): Neighbour {
  const { ifindex, state } = ndmsg.decode(body)
  const attributes = decodeAttributes(body, ndmsg.size)
  return {
    index: ifindex,
    address: formatIp(attributes.get(NDA_DST) ?? Buffer.alloc(4)),
    mac: formatMac(attributes.get(NDA_LLADDR) ?? Buffer.alloc(0)),
    state,
  }
}

/** The neighbours of one family in the socket's namespace. */
export function listNeighbours(socket: RouteSocket, family: Family): Neighbour[] {
  const body = ndmsg.encode({ family: family === 4 ? AF_INET : AF_INET6 })
  const messages = socket.dump({ type: RTM_GETNEIGH, flags: 0, body, subject: `all IPv${family}` })
  return messages.map((message) => decodeNeighbour(message.body))
}

/** The question for one link's neighbours of one family. */
export function neighboursOf(index: number, family: Family): Request {
  const header = ndmsg.encode({ family: family === 4 ? AF_INET : AF_INET6 })
  const body = Buffer.concat([header, attributeU32(NDA_IFINDEX, index)])
  return { type: RTM_GETNEIGH, flags: 0, body, subject: `IPv${family} on link ${index}` }
}

/** Makes a permanent entry, in place of whatever the kernel knew of the address. */
export function permanentNeighbour(index: number, address: string, mac: string): Request {
  const body = encodeNeighbour(index, address, mac)
  const flags = NLM_F_CREATE | NLM_F_REPLACE
  return { type: RTM_NEWNEIGH, flags, body, subject: `${address} on link ${index}` }
}

/** Makes the kernel forget an entry, which it refuses with ENOENT when there is none. */
export function neighbourRemoval(index: number, address: string): Request {
  const body = header(index, address, 0)
  return { type: RTM_DELNEIGH, flags: 0, body, subject: `${address} on link ${index}` }
}

export function setNeighbour(socket: RouteSocket, index: number, address: string, mac: string): void {
  socket.act(permanentNeighbour(index, address, mac))
}

/** Makes the kernel forget an entry; one that is not there is no error. */
export function removeNeighbour(socket: RouteSocket, index: number, address: string): void {
  removeNeighbours(socket, index, [address])
}

/** As `removeNeighbour`, in one message. */
export function removeNeighbours(socket: RouteSocket, index: number, addresses: readonly string[]): void {
  const refusals = socket.actAll(addresses.map((address) => neighbourRemoval(index, address)))
  for (const { error } of refusals) {
    if (!isNetlinkError(error, 'ENOENT', 'ENODEV')) throw error
  }
}
