/** What a bridge network wants of the firewall. Pure. */
import type { BridgeRule } from '../../firewall/rules.ts'
import type { NetworkRecord } from '../../store/records.ts'
import { formatCidr, parseCidr } from '../../values/cidr.ts'
import type { BridgeOptions } from './options.ts'

/** One rule for each of the network's subnets. */
export function bridgeRules(network: NetworkRecord, options: BridgeOptions, bridge: string): BridgeRule[] {
  return network.pools.map((pool) => {
    const subnet = parseCidr(pool.subnet)
    const isIpv4 = subnet.family === 4
    return {
      kind: 'bridge',
      owner: network.id,
      family: subnet.family,
      interface: bridge,
      subnet: formatCidr(subnet),
      internal: network.internal,
      mode: isIpv4 ? options.gatewayMode4 : options.gatewayMode6,
      masquerade: options.masquerade && !network.internal,
      snatAddress: isIpv4 ? options.snatAddress4 : options.snatAddress6,
      // the way out may take less than what the user has set
      clampMss: options.mtu !== 0 && !network.internal,
    }
  })
}
