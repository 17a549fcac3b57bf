import { TsnetError } from '../../errors.ts'
import type { NetworkRecord } from '../../store/records.ts'
import { parseCidr } from '../../values/cidr.ts'

/** RFC 8200, section 5. The kernel takes IPv6 from a link with less. */
const minimumMtu6 = 1280

/** How long packets may be: what was asked for, else (0) what `available` says, but never less than the network's families need. */
export function fitMtu(network: NetworkRecord, asked: number, available: () => number): number {
  if (asked === 0) return Math.max(available(), hasIpv6(network) ? minimumMtu6 : 0)
  if (asked >= minimumMtu6 || !hasIpv6(network)) return asked
  throw new TsnetError(
    'invalid',
    'mtu-too-small',
    `network ${network.name}: an MTU of ${asked} is too small for IPv6, which needs ${minimumMtu6}: give a larger one, or no IPv6`,
  )
}

export function hasIpv6(network: NetworkRecord): boolean {
  return network.pools.some((pool) => parseCidr(pool.subnet).family === 6)
}
