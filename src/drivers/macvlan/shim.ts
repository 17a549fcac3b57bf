/**
 * The host's own link on a network's parent. The kernel passes nothing between a parent and the links on it, but it does from
 * one link to another: through the shim host and containers reach each other. It has an address of its own from each of the network's
 * pools, and the host has a route to each container, so that all else goes its way as before.
 */
import { TsnetError } from '../../errors.ts'
import { addAddress } from '../../netlink/address.ts'
import { findLink, type Link } from '../../netlink/link.ts'
import { listRoutes, type RouteSpec, removeRoute, setRoute } from '../../netlink/route.ts'
import type { RouteSocket } from '../../netlink/socket.ts'
import type { NetworkRecord } from '../../store/records.ts'
import { RTPROT_BOOT } from '../../sys/constants/rtnetlink.ts'
import { containsIp, parseCidr } from '../../values/cidr.ts'
import { shimName } from '../../values/interface-name.ts'
import { familyBits, ipFamily } from '../../values/ip.ts'
import { randomMac } from '../../values/mac.ts'
import type { AttachedEndpoint } from '../driver.ts'
import { tagOf } from '../link-tags.ts'
import { createTagged, explain } from './links.ts'
import { type Kind, linkKindOf, type MacvlanOptions } from './options.ts'

/** What the shim's address is called among the auxiliary addresses of a pool. */
export const hostAccess = 'host-access'

/** Makes the shim or completes it. */
export async function ensureShim(
  socket: RouteSocket,
  mark: string,
  kind: Kind,
  network: NetworkRecord,
  options: MacvlanOptions,
  parent: Link,
): Promise<Link> {
  const name = shimName(kind, network.id)
  const addresses = hostAddresses(network)
  const present = findLink(socket, name)
  if (present !== null && present.alias !== tagOf(mark, network.id)) {
    throw new TsnetError('conflict', 'interface-taken', `network ${network.name}: interface ${name} exists`)
  }
  const shim = present ?? (await createShim(socket, mark, kind, network, options, parent))
  for (const address of addresses) addAddress(socket, shim.index, hostBlock(address))
  return shim
}

async function createShim(
  socket: RouteSocket,
  mark: string,
  kind: Kind,
  network: NetworkRecord,
  options: MacvlanOptions,
  parent: Link,
): Promise<Link> {
  const spec = {
    name: shimName(kind, network.id),
    kind: linkKindOf(kind, options),
    parent: parent.index,
    ...(kind === 'macvlan' ? { address: randomMac() } : {}),
    ...(options.mtu === 0 ? {} : { mtu: options.mtu }),
  }
  const hasIpv6 = hostAddresses(network).some((address) => ipFamily(address) === 6)
  try {
    return await createTagged(socket, mark, network.id, spec, {
      // Whoever else is on the parent's wire asks for the host's addresses there, and is to be answered by the parent alone.
      'ipv4/arp_filter': '1',
      'ipv6/disable_ipv6': hasIpv6 ? '0' : '1',
      'ipv6/accept_dad': '0',
    })
  } catch (error) {
    throw explain(error, kind, parent, options)
  }
}

/** Throws kind 'invalid' when the network has none, because its addresses do not come from pools. */
function hostAddresses(network: NetworkRecord): string[] {
  const addresses = network.pools.flatMap(({ auxiliary }) => auxiliary[hostAccess] ?? [])
  if (addresses.length > 0) return addresses
  throw new TsnetError(
    'invalid',
    'no-host-address',
    `network ${network.name}: host-access needs an address for the host, but the network has no subnet to lease it from`,
  )
}

/** Makes the host's routes through a network's shim, if it has one, those to these endpoints and no others. */
export function setHostRoutes(
  socket: RouteSocket,
  kind: Kind,
  network: NetworkRecord,
  endpoints: readonly AttachedEndpoint[],
): void {
  const shim = findLink(socket, shimName(kind, network.id))
  if (shim === null) return
  const wanted = endpoints.flatMap((endpoint) => hostRoutes(shim, endpoint))
  for (const route of [...listRoutes(socket, 4), ...listRoutes(socket, 6)]) {
    // The kernel's own ones, of addresses, have another protocol.
    if (route.index !== shim.index || route.protocol !== RTPROT_BOOT) continue
    if (!wanted.some(({ destination }) => destination === route.destination)) removeRoute(socket, route)
  }
  for (const route of wanted) setRoute(socket, route)
}

export function addHostRoutes(socket: RouteSocket, shim: Link, endpoint: AttachedEndpoint): void {
  for (const route of hostRoutes(shim, endpoint)) setRoute(socket, route)
}

/** Safe to repeat, also after the shim is gone. */
export function removeHostRoutes(socket: RouteSocket, kind: Kind, endpoint: AttachedEndpoint): void {
  const shim = findLink(socket, shimName(kind, endpoint.network.id))
  if (shim === null) return
  for (const route of hostRoutes(shim, endpoint)) removeRoute(socket, route)
}

/** To each of the endpoint's addresses, coming from the shim's address in the same pool. */
function hostRoutes(shim: Link, { network, address4, address6 }: AttachedEndpoint): RouteSpec[] {
  const addresses = [address4, address6].flatMap((cidr) => (cidr === '' ? [] : [parseCidr(cidr).address]))
  return addresses.flatMap((address) => {
    const pool = network.pools.find(({ subnet }) => containsIp(parseCidr(subnet), address))
    const source = pool?.auxiliary[hostAccess]
    if (source === undefined) return []
    return [{ destination: hostBlock(address), gateway: '', index: shim.index, source }]
  })
}

/** The block of that one address. */
function hostBlock(address: string): string {
  return `${address}/${familyBits(ipFamily(address))}`
}
