/** Links with addresses of their own behind their parent's hardware address (drivers/net/ipvlan/). */
import {
  IFLA_IPVLAN_FLAGS,
  IFLA_IPVLAN_MODE,
  IPVLAN_F_PRIVATE,
  IPVLAN_F_VEPA,
  IPVLAN_MODE_L2,
  IPVLAN_MODE_L3,
  IPVLAN_MODE_L3S,
} from '../../sys/constants/if_link.ts'
import { attributeU16 } from '../attribute.ts'
import type { LinkKind } from '../link.ts'

const modes = { l2: IPVLAN_MODE_L2, l3: IPVLAN_MODE_L3, l3s: IPVLAN_MODE_L3S } as const
const flags = { bridge: 0, private: IPVLAN_F_PRIVATE, vepa: IPVLAN_F_VEPA } as const

export type IpvlanMode = keyof typeof modes
export type IpvlanFlag = keyof typeof flags

/** Goes with a LinkSpec that has a `parent`. All links of a parent take on the mode and flag of the last one made. */
export function ipvlan(mode: IpvlanMode, flag: IpvlanFlag): LinkKind {
  const data = [attributeU16(IFLA_IPVLAN_MODE, modes[mode]), attributeU16(IFLA_IPVLAN_FLAGS, flags[flag])]
  return { name: 'ipvlan', data: Buffer.concat(data) }
}
