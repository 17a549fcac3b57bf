/** How the packets of overlay networks travel from host to host. */
import type { Cluster, NodeRecord } from '../../cluster/cluster.ts'
import { ipFamily } from '../../values/ip.ts'
import { tunnelAddress } from './tunnel-peers.ts'

export interface Underlay {
  /** The address that this host's packets come from. It may change. */
  local(): string
  /** The longest packet of a network that passes to every host, in bytes. */
  mtu(): number
  /** Where packets for a host go, '' when it has no address of the family of this one's. */
  addressOf(node: NodeRecord): string
}

/** bytes around each packet: the inner Ethernet header, VXLAN's, UDP's, and IP's of either family */
const overhead = { 4: 14 + 8 + 8 + 20, 6: 14 + 8 + 8 + 40 } as const

/** The hosts' own addresses, without anything in between. */
export function plainUnderlay(cluster: Cluster): Underlay {
  const family = (): 4 | 6 => ipFamily(cluster.self.address)
  return {
    local: () => cluster.self.address,
    mtu: () => leastMtu(cluster) - overhead[family()],
    addressOf: ({ address }) => (ipFamily(address) === family() ? address : ''),
  }
}

/** bytes around each packet in the tunnel, whose addresses are of IPv6 */
export const tunnelOverhead = overhead[6]

/** bytes around each packet of the tunnel: WireGuard's header and tag, UDP's, and IP's of either family */
const wireguardOverhead = { 4: 16 + 16 + 8 + 20, 6: 16 + 16 + 8 + 40 } as const

/** The longest packet, in bytes, that passes through the tunnel to every host uncut. */
export function tunnelMtu(cluster: Cluster): number {
  return leastMtu(cluster) - wireguardOverhead[ipFamily(cluster.self.address)]
}

/** Through the tunnel, by the hosts' addresses there. */
export function encryptedUnderlay(cluster: Cluster): Underlay {
  const { addressOf } = plainUnderlay(cluster)
  return {
    local: () => tunnelAddress(cluster.self.name),
    mtu: () => tunnelMtu(cluster) - tunnelOverhead,
    addressOf: (node) => (addressOf(node) === '' ? '' : tunnelAddress(node.name)),
  }
}

/** bytes of the underlay's; this host knows its own better than the mirror does. */
export function leastMtu({ self, nodes }: Cluster): number {
  const others = [...nodes.values.values()].filter(({ name }) => name !== self.name)
  return Math.min(self.mtu, ...others.map(({ mtu }) => mtu))
}
