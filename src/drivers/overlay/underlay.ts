/** How the packets of overlay networks travel from host to host. */
import type { Cluster, NodeRecord } from '../../cluster/cluster.ts'
import { ipFamily } from '../../values/ip.ts'

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

/** bytes of the underlay's; this host knows its own better than the mirror does. */
export function leastMtu({ self, nodes }: Cluster): number {
  const others = [...nodes.values.values()].filter(({ name }) => name !== self.name)
  return Math.min(self.mtu, ...others.map(({ mtu }) => mtu))
}
