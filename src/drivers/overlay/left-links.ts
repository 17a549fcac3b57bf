/** What a daemon in a cluster has left behind, for one without. */
import { openRouteSocket } from '../../netlink/socket.ts'
import { sweepLinks } from '../bridging/links.ts'
import { markOf } from './networks.ts'

/** Removes the links of all overlay networks, with the entries in them. Returns their names. */
export async function removeOverlayLinks(mark: string): Promise<string[]> {
  using socket = openRouteSocket()
  return await sweepLinks(socket, markOf({ mark }), new Set(), 'vxlan', 'wireguard')
}
