/** Network interfaces: RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK (rtnetlink(7), net/core/rtnetlink.c). */
import { IFF_LOOPBACK, IFF_UP } from '../sys/constants/if.ts'
import {
  IFLA_ADDRESS,
  IFLA_EXT_MASK,
  IFLA_IFALIAS,
  IFLA_IFNAME,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_LINK,
  IFLA_LINKINFO,
  IFLA_MASTER,
  IFLA_MTU,
  IFLA_NET_NS_FD,
  IFLA_NUM_RX_QUEUES,
  IFLA_NUM_TX_QUEUES,
} from '../sys/constants/if_link.ts'
import { NLM_F_CREATE, NLM_F_EXCL } from '../sys/constants/netlink.ts'
import { RTEXT_FILTER_SKIP_STATS, RTM_GETLINK, RTM_NEWLINK, RTM_SETLINK } from '../sys/constants/rtnetlink.ts'
import type { Fd } from '../sys/fd.ts'
import { i32, struct, u8, u16, u32 } from '../sys/layout.ts'
import { formatMac, parseMac } from '../values/mac.ts'
import {
  type Attributes,
  attribute,
  attributeNested,
  attributeString,
  attributeU32,
  decodeAttributes,
  nestedAttributes,
  numberAttribute,
  stringAttribute,
} from './attribute.ts'
import { isNetlinkError } from './error.ts'
import type { Message, Request } from './message.ts'
import type { RouteSocket } from './socket.ts'

export const ifinfomsg = struct({ family: u8, _pad: u8, type: u16, index: i32, flags: u32, change: u32 })

export interface Link {
  readonly index: number
  readonly name: string
  /** 'bridge', 'veth' …; '' for loopback and hardware. */
  readonly kind: string
  /** IFF_* */
  readonly flags: number
  readonly mtu: number
  /** The hardware address, '' when the link has none. */
  readonly address: string
  readonly alias: string
  /** The index of the bridge it is a port of, 0 for none. */
  readonly master: number
  /** IFLA_LINK: a veth's peer or a macvlan's parent, by its index in its own namespace; 0 for none. */
  readonly parent: number
  /** IFLA_INFO_DATA: what belongs to the kind alone. */
  readonly data: Attributes
}

/** A kind of link with its IFLA_INFO_DATA, made in kinds/. */
export interface LinkKind {
  readonly name: string
  /** Encoded attributes; empty for a kind's defaults. */
  readonly data: Buffer
}

/** What every link has and may be given, at its creation or later. What is left out stays, or is the kernel's choice. */
export interface LinkSettings {
  readonly up?: boolean
  readonly mtu?: number
  /** The hardware address. */
  readonly address?: string
  /** The index of a bridge; 0 takes the link out of its bridge. */
  readonly master?: number
  /** The namespace to create the link in, or to move it to. */
  readonly netns?: Fd
  /** How many queues it has each way: at its creation alone, for good. */
  readonly queues?: number
}

/** A link to be created. The kernel takes no alias here: give it with `setLink`. */
export interface LinkSpec extends LinkSettings {
  readonly name: string
  readonly kind: LinkKind
  /** The index of the link below, for kinds that stand on one. */
  readonly parent?: number
}

export interface LinkChange extends LinkSettings {
  readonly name?: string
  readonly alias?: string
}

export function isUp(link: Link): boolean {
  return (link.flags & IFF_UP) !== 0
}

export function isLoopback(link: Link): boolean {
  return (link.flags & IFF_LOOPBACK) !== 0
}

/** The header and common attributes of a link message; a veth's peer is described by one too. */
export function encodeLink(index: number, change: LinkChange): Buffer {
  const { up } = change
  const header = ifinfomsg.encode({
    index,
    flags: up === true ? IFF_UP : 0,
    change: up === undefined ? 0 : IFF_UP,
  })
  const parts = [header]
  if (change.name !== undefined) parts.push(attributeString(IFLA_IFNAME, change.name))
  if (change.mtu !== undefined) parts.push(attributeU32(IFLA_MTU, change.mtu))
  if (change.address !== undefined) parts.push(attribute(IFLA_ADDRESS, parseMac(change.address)))
  if (change.alias !== undefined) parts.push(attributeString(IFLA_IFALIAS, change.alias))
  if (change.master !== undefined) parts.push(attributeU32(IFLA_MASTER, change.master))
  if (change.netns !== undefined) parts.push(attributeU32(IFLA_NET_NS_FD, change.netns.number))
  if (change.queues !== undefined)
    parts.push(
      attributeU32(IFLA_NUM_TX_QUEUES, change.queues),
      attributeU32(IFLA_NUM_RX_QUEUES, change.queues),
    )
  return Buffer.concat(parts)
}

/** The body of the RTM_NEWLINK that creates a link. */
export function encodeLinkSpec(spec: LinkSpec): Buffer {
  const { kind, parent, ...settings } = spec
  const parts = [encodeLink(0, settings)]
  if (parent !== undefined) parts.push(attributeU32(IFLA_LINK, parent))
  const info = [attributeString(IFLA_INFO_KIND, kind.name)]
  if (kind.data.length > 0) info.push(attributeNested(IFLA_INFO_DATA, kind.data))
  parts.push(attributeNested(IFLA_LINKINFO, ...info))
  return Buffer.concat(parts)
}

/** Reads the body of RTM_NEWLINK or RTM_DELLINK. */
export function decodeLink(body: Buffer): Link {
  const { index, flags } = ifinfomsg.decode(body)
  const attributes = decodeAttributes(body, ifinfomsg.size)
  const info = nestedAttributes(attributes, IFLA_LINKINFO)
  return {
    index,
    flags,
    name: stringAttribute(attributes, IFLA_IFNAME),
    kind: stringAttribute(info, IFLA_INFO_KIND),
    mtu: numberAttribute(attributes, IFLA_MTU) ?? 0,
    address: formatMac(attributes.get(IFLA_ADDRESS) ?? Buffer.alloc(0)),
    alias: stringAttribute(attributes, IFLA_IFALIAS),
    master: numberAttribute(attributes, IFLA_MASTER) ?? 0,
    parent: numberAttribute(attributes, IFLA_LINK) ?? 0,
    data: nestedAttributes(info, IFLA_INFO_DATA),
  }
}

/** Links of the socket's namespace; with a `kind`, the kernel leaves out all others. */
export function listLinks(socket: RouteSocket, kind = ''): Link[] {
  const parts = [ifinfomsg.encode({}), attributeU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)]
  if (kind !== '') parts.push(attributeNested(IFLA_LINKINFO, attributeString(IFLA_INFO_KIND, kind)))
  const request = { type: RTM_GETLINK, flags: 0, body: Buffer.concat(parts), subject: `all ${kind}` }
  const links = socket.dump(request).map((message) => decodeLink(message.body))
  // A kernel that does not know the kind lists all links (linkinfo_to_kind_ops() in net/core/rtnetlink.c).
  return kind === '' ? links : links.filter((link) => link.kind === kind)
}

/** The link with this index or name. Throws NetlinkError of kind 'not-found'. */
export function getLink(socket: RouteSocket, link: number | string): Link {
  return decodeLink(askLink(socket, link).body)
}

/** What the kernel tells of a link. Throws NetlinkError of kind 'not-found'. */
export function askLink(socket: RouteSocket, link: number | string): Message {
  const parts = [ifinfomsg.encode(typeof link === 'number' ? { index: link } : {})]
  if (typeof link === 'string') parts.push(attributeString(IFLA_IFNAME, link))
  parts.push(attributeU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS))
  return socket.get({ type: RTM_GETLINK, flags: 0, body: Buffer.concat(parts), subject: subject(link) })
}

/** As `getLink`, but null when there is none. */
export function findLink(socket: RouteSocket, link: number | string): Link | null {
  try {
    return getLink(socket, link)
  } catch (error) {
    if (isNetlinkError(error, 'ENODEV')) return null
    throw error
  }
}

/** Creates a link. Throws NetlinkError, EEXIST when the name is taken. */
export function createLink(socket: RouteSocket, spec: LinkSpec): void {
  const flags = NLM_F_CREATE | NLM_F_EXCL
  socket.act({ type: RTM_NEWLINK, flags, body: encodeLinkSpec(spec), subject: spec.name })
}

/** Changes several properties in one request, in the kernel's order: alias before master before up. */
export function setLink(socket: RouteSocket, index: number, change: LinkChange): void {
  socket.act(linkChange(index, change))
}

/** What `setLink` asks. */
export function linkChange(index: number, change: LinkChange): Request {
  return { type: RTM_SETLINK, flags: 0, body: encodeLink(index, change), subject: subject(index) }
}

function subject(link: number | string): string {
  return typeof link === 'number' ? `link ${link}` : link
}
