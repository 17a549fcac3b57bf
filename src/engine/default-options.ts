import { findLink } from '../netlink/link.ts'
import { openRouteSocket } from '../netlink/socket.ts'
import type { Labels, NetworkRecord } from '../store/records.ts'
import type { Parts } from './parts.ts'

/** The options of a network as they count; of the default network all are told, as Docker does, with the MTU that its bridge has. */
export function optionsInForce(parts: Parts, network: NetworkRecord): Labels {
  if (!network.predefined || network.driver !== 'bridge') return network.options
  return {
    'com.docker.network.bridge.default_bridge': 'true',
    'com.docker.network.bridge.enable_icc': 'true',
    'com.docker.network.bridge.enable_ip_masquerade': 'true',
    'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0',
    'com.docker.network.driver.mtu': String(mtuOf(parts.defaultBridge)),
    ...network.options,
  }
}

/** Of a bridge that is gone, Ethernet's. */
function mtuOf(bridge: string): number {
  using socket = openRouteSocket()
  return findLink(socket, bridge)?.mtu ?? 1500
}
