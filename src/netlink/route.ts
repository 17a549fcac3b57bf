/** Routes: RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE (rtnetlink(7), net/ipv4/fib_frontend.c, net/ipv6/route.c). */
import { NLM_F_CREATE, NLM_F_REPLACE } from '../sys/constants/netlink.ts'
import {
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RT_TABLE_UNSPEC,
  RTA_DST,
  RTA_GATEWAY,
  RTA_OIF,
  RTA_PREFSRC,
  RTA_PRIORITY,
  RTA_TABLE,
  RTM_DELROUTE,
  RTM_GETROUTE,
  RTM_NEWROUTE,
  RTN_UNICAST,
  RTPROT_BOOT,
} from '../sys/constants/rtnetlink.ts'
import { AF_INET, AF_INET6 } from '../sys/constants/socket.ts'
import { struct, u8, u32 } from '../sys/layout.ts'
import { parseCidr } from '../values/cidr.ts'
import { type Family, formatIp, parseIp } from '../values/ip.ts'
import { attribute, attributeU32, decodeAttributes, numberAttribute } from './attribute.ts'
import { isNetlinkError } from './error.ts'
import type { Message, Request } from './message.ts'
import type { RouteSocket } from './socket.ts'

export const rtmsg = struct({
  family: u8,
  dst_len: u8,
  src_len: u8,
  tos: u8,
  table: u8,
  protocol: u8,
  scope: u8,
  type: u8,
  flags: u32,
})

/** A route to be added to, or removed from, the main table. */
export interface RouteSpec {
  /** CIDR without host bits; '0.0.0.0/0' and '::/0' are the default routes. */
  readonly destination: string
  /** '' when the destination is on the link itself. */
  readonly gateway: string
  /** The index of the link that packets leave by. */
  readonly index: number
  /** The address that packets come from if their sender does not say; without, the kernel chooses. */
  readonly source?: string
}

export interface Route extends RouteSpec {
  readonly family: Family
  /** RTN_UNICAST, RTN_BLACKHOLE … */
  readonly type: number
  /** RTPROT_*: who made it. */
  readonly protocol: number
  /** RT_SCOPE_* */
  readonly scope: number
  /** RT_TABLE_* */
  readonly table: number
  /** The lower wins; the kernel's 0 comes first. */
  readonly metric: number
}

/** The body of RTM_NEWROUTE and RTM_DELROUTE. */
export function encodeRoute(route: RouteSpec): Buffer {
  const { family, network, prefix } = parseCidr(route.destination)
  const header = rtmsg.encode({
    family: family === 4 ? AF_INET : AF_INET6,
    dst_len: prefix,
    table: RT_TABLE_MAIN,
    protocol: RTPROT_BOOT,
    // IPv6 has no scopes of routes and ignores this.
    scope: route.gateway === '' ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
    type: RTN_UNICAST,
  })
  const parts = [header]
  if (prefix > 0) parts.push(attribute(RTA_DST, parseIp(network)))
  if (route.gateway !== '') parts.push(attribute(RTA_GATEWAY, parseIp(route.gateway)))
  parts.push(attributeU32(RTA_OIF, route.index))
  if (route.source !== undefined) parts.push(attribute(RTA_PREFSRC, parseIp(route.source)))
  return Buffer.concat(parts)
}

/** Reads the body of RTM_NEWROUTE or RTM_DELROUTE. Of several next hops none is told. */
export function decodeRoute(body: Buffer): Route {
  const header = rtmsg.decode(body)
  const attributes = decodeAttributes(body, rtmsg.size)
  const family = header.family === AF_INET ? 4 : 6
  const destination = attributes.get(RTA_DST)
  const gateway = attributes.get(RTA_GATEWAY)
  const source = attributes.get(RTA_PREFSRC)
  return {
    family,
    destination: `${destination === undefined ? anyAddress(family) : formatIp(destination)}/${header.dst_len}`,
    gateway: gateway === undefined ? '' : formatIp(gateway),
    ...(source !== undefined && { source: formatIp(source) }),
    index: numberAttribute(attributes, RTA_OIF) ?? 0,
    type: header.type,
    protocol: header.protocol,
    scope: header.scope,
    table: numberAttribute(attributes, RTA_TABLE) ?? header.table,
    metric: numberAttribute(attributes, RTA_PRIORITY) ?? 0,
  }
}

function anyAddress(family: Family): string {
  return family === 4 ? '0.0.0.0' : '::'
}

/** The routes of one family, of the main table or another; RT_TABLE_UNSPEC for those of all tables. */
export function listRoutes(socket: RouteSocket, family: Family, table: number = RT_TABLE_MAIN): Route[] {
  return dumpRoutes(socket, family, table).map((message) => decodeRoute(message.body))
}

function dumpRoutes(socket: RouteSocket, family: Family, table: number): Message[] {
  const body = rtmsg.encode({ family: family === 4 ? AF_INET : AF_INET6, table })
  try {
    return socket.dump({ type: RTM_GETROUTE, flags: 0, body, subject: `all IPv${family}` })
  } catch (error) {
    // A namespace that never had a route of the family has no such table.
    if (isNetlinkError(error, 'ENOENT')) return []
    throw error
  }
}

/** Both families' routes to elsewhere: also those of a VPN's table, but not the table of the host's own addresses. */
export function listAllRoutes(socket: RouteSocket): Route[] {
  return ([4, 6] as const)
    .flatMap((family) => dumpRoutes(socket, family, RT_TABLE_UNSPEC))
    .filter(({ body }) => rtmsg.decode(body).table !== RT_TABLE_LOCAL)
    .map(({ body }) => decodeRoute(body))
}

/** Adds a route, or gives the one to the same destination a new gateway and link. */
export function setRoute(socket: RouteSocket, route: RouteSpec): void {
  socket.act(routeSetting(route))
}

/** What `setRoute` asks. */
export function routeSetting(route: RouteSpec): Request {
  const flags = NLM_F_CREATE | NLM_F_REPLACE
  return { type: RTM_NEWROUTE, flags, body: encodeRoute(route), subject: describe(route) }
}

/** Removes a route; one that is not there is no error. */
export function removeRoute(socket: RouteSocket, route: RouteSpec): void {
  try {
    socket.act({ type: RTM_DELROUTE, flags: 0, body: encodeRoute(route), subject: describe(route) })
  } catch (error) {
    if (!isNetlinkError(error, 'ESRCH', 'ENODEV')) throw error
  }
}

function describe(route: RouteSpec): string {
  return `${route.destination}${route.gateway === '' ? '' : ` via ${route.gateway}`} on link ${route.index}`
}
