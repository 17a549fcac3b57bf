/** How long the packets of a bridge network may be. */
import { TsnetError } from '../../errors.ts'
import { getLink } from '../../netlink/link.ts'
import { listRoutes } from '../../netlink/route.ts'
import type { RouteSocket } from '../../netlink/socket.ts'
import type { NetworkRecord } from '../../store/records.ts'
import { parseCidr } from '../../values/cidr.ts'
import type { BridgeOptions } from './options.ts'

/** RFC 8200, section 5. The kernel takes IPv6 from a link with less. */
const minimumMtu6 = 1280

/** The MTU asked for, else that of the link which leads out, else Ethernet's. */
export function bridgeMtu(socket: RouteSocket, network: NetworkRecord, options: BridgeOptions): number {
  if (options.mtu === 0) return Math.max(outsideMtu(socket), hasIpv6(network) ? minimumMtu6 : 0)
  if (options.mtu >= minimumMtu6 || !hasIpv6(network)) return options.mtu
  throw new TsnetError(
    'invalid',
    'mtu-too-small',
    `network ${network.name}: an MTU of ${options.mtu} is too small for IPv6, which needs ${minimumMtu6}: give a larger one, or no IPv6`,
  )
}

/** Asked for once a turn: a restore makes hundreds of bridges in one, and the routes grow with them. */
let known: number | null = null

function outsideMtu(socket: RouteSocket): number {
  if (known === null) {
    known = readOutsideMtu(socket)
    setImmediate(() => {
      known = null
    })
  }
  return known
}

function readOutsideMtu(socket: RouteSocket): number {
  for (const family of [4, 6] as const) {
    const routes = listRoutes(socket, family).filter(({ destination }) => destination.endsWith('/0'))
    const best = routes.sort((a, b) => a.metric - b.metric).find((route) => route.index !== 0)
    if (best !== undefined) return getLink(socket, best.index).mtu
  }
  return 1500
}

export function hasIpv6(network: NetworkRecord): boolean {
  return network.pools.some((pool) => parseCidr(pool.subnet).family === 6)
}
