/** What a network on a bridge wants of the firewall. Pure. */
import type { BridgeRule } from '../../firewall/rules.ts'
import type { NetworkRecord } from '../../store/records.ts'
import { formatCidr, parseCidr } from '../../values/cidr.ts'
import type { BridgingOptions } from './options.ts'

/** One rule for each of the network's subnets. With `clampMss` the way out may take less than the network does. */
export function bridgeRules(
  network: NetworkRecord,
  options: BridgingOptions,
  { name, clampMss }: { readonly name: string; readonly clampMss: boolean },
): BridgeRule[] {
  return network.pools.map((pool) => {
    const subnet = parseCidr(pool.subnet)
    const isIpv4 = subnet.family === 4
    return {
      kind: 'bridge',
      owner: network.id,
      family: subnet.family,
      interface: name,
      subnet: formatCidr(subnet),
      internal: network.internal,
      mode: isIpv4 ? options.gatewayMode4 : options.gatewayMode6,
      masquerade: options.masquerade && !network.internal,
      snatAddress: isIpv4 ? options.snatAddress4 : options.snatAddress6,
      clampMss: clampMss && !network.internal,
    }
  })
}
