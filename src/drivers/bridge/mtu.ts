/** How long the packets of a bridge network may be. */
import { getLink } from '../../netlink/link.ts'
import { listRoutes } from '../../netlink/route.ts'
import type { RouteSocket } from '../../netlink/socket.ts'
import type { NetworkRecord } from '../../store/records.ts'
import { fitMtu } from '../bridging/mtu.ts'
import type { BridgeOptions } from './options.ts'

/** The MTU asked for, else that of the link which leads out, else Ethernet's. */
export function bridgeMtu(socket: RouteSocket, network: NetworkRecord, options: BridgeOptions): number {
  return fitMtu(network, options.mtu, () => outsideMtu(socket))
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
