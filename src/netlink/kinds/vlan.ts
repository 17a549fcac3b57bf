/** The part of a link's traffic that carries one tag (IEEE 802.1Q, net/8021q/vlan_netlink.c). */
import { IFLA_VLAN_ID } from '../../sys/constants/if_link.ts'
import { attributeU16 } from '../attribute.ts'
import type { LinkKind } from '../link.ts'

/** Goes with a LinkSpec that has a `parent`; `id` is from 1 to 4094. */
export function vlan(id: number): LinkKind {
  return { name: 'vlan', data: attributeU16(IFLA_VLAN_ID, id) }
}
