/** Addresses of links: RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR (rtnetlink(7), net/ipv4/devinet.c, net/ipv6/addrconf.c). */
import { IFA_ADDRESS, IFA_BROADCAST, IFA_F_NODAD, IFA_FLAGS, IFA_LOCAL } from '../sys/constants/if_addr.ts'
import { NLM_F_CREATE, NLM_F_REPLACE } from '../sys/constants/netlink.ts'
import { RT_SCOPE_UNIVERSE, RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR } from '../sys/constants/rtnetlink.ts'
import { AF_INET, AF_INET6, AF_UNSPEC } from '../sys/constants/socket.ts'
import { struct, u8, u32 } from '../sys/layout.ts'
import { broadcastAddress, parseCidr } from '../values/cidr.ts'
import { formatIp, parseIp } from '../values/ip.ts'
import { attribute, attributeU32, decodeAttributes, numberAttribute } from './attribute.ts'
import { isNetlinkError } from './error.ts'
import type { Request } from './message.ts'
import type { RouteSocket } from './socket.ts'

export const ifaddrmsg = struct({ family: u8, prefixlen: u8, flags: u8, scope: u8, index: u32 })

export interface Address {
  /** The link's index. */
  readonly index: number
  readonly family: 4 | 6
  /** With prefix length, host bits kept: '10.1.0.2/24'. */
  readonly cidr: string
  /** IFA_F_* */
  readonly flags: number
  /** RT_SCOPE_* */
  readonly scope: number
}

/** The body of RTM_NEWADDR and RTM_DELADDR for `cidr`, '10.1.0.2/24' or '2001:db8::2/64', on the link `index`. */
export function encodeAddress(index: number, cidr: string): Buffer {
  const { family, address, prefix, ...block } = parseCidr(cidr)
  const bytes = parseIp(address)
  const header = { prefixlen: prefix, scope: RT_SCOPE_UNIVERSE, index }
  if (family === 6) {
    // Nobody else has an address that was leased: it is usable at once, without duplicate address detection.
    return Buffer.concat([
      ifaddrmsg.encode({ ...header, family: AF_INET6 }),
      attribute(IFA_LOCAL, bytes),
      attribute(IFA_ADDRESS, bytes),
      attributeU32(IFA_FLAGS, IFA_F_NODAD),
    ])
  }
  const broadcast = broadcastAddress({ family, address, prefix, ...block })
  return Buffer.concat([
    ifaddrmsg.encode({ ...header, family: AF_INET }),
    attribute(IFA_LOCAL, bytes),
    attribute(IFA_ADDRESS, bytes),
    ...(broadcast === null ? [] : [attribute(IFA_BROADCAST, parseIp(broadcast))]),
  ])
}

/** Reads the body of RTM_NEWADDR or RTM_DELADDR. */
export function decodeAddress(body: Buffer): Address {
  const { family, prefixlen, flags, scope, index } = ifaddrmsg.decode(body)
  const attributes = decodeAttributes(body, ifaddrmsg.size)
  // On point-to-point links IFA_ADDRESS is the other side's; IPv6 without a peer has no IFA_LOCAL.
  const bytes = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS) ?? Buffer.alloc(0)
  return {
    index,
    family: family === AF_INET ? 4 : 6,
    cidr: `${formatIp(bytes)}/${prefixlen}`,
    flags: numberAttribute(attributes, IFA_FLAGS) ?? flags,
    scope,
  }
}

/** The addresses of the socket's namespace, or of one link of it. */
export function listAddresses(socket: RouteSocket, index = 0): Address[] {
  const body = ifaddrmsg.encode({ family: AF_UNSPEC, index })
  const subject = index === 0 ? 'all' : `of link ${index}`
  return socket
    .dump({ type: RTM_GETADDR, flags: 0, body, subject })
    .map((message) => decodeAddress(message.body))
}

/** Gives a link an address; one that it has already is no error. */
export function addAddress(socket: RouteSocket, index: number, cidr: string): void {
  socket.act(addressAddition(index, cidr))
}

/** What `addAddress` asks. */
export function addressAddition(index: number, cidr: string): Request {
  const body = encodeAddress(index, cidr)
  const flags = NLM_F_CREATE | NLM_F_REPLACE
  return { type: RTM_NEWADDR, flags, body, subject: `${cidr} on link ${index}` }
}

/** Takes an address from a link; one that it does not have is no error. */
export function removeAddress(socket: RouteSocket, index: number, cidr: string): void {
  try {
    const body = encodeAddress(index, cidr)
    socket.act({ type: RTM_DELADDR, flags: 0, body, subject: `${cidr} on link ${index}` })
  } catch (error) {
    if (!isNetlinkError(error, 'EADDRNOTAVAIL', 'ENODEV')) throw error
  }
}
