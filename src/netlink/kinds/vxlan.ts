/** Ethernet over UDP (RFC 7348, drivers/net/vxlan/). */
import {
  IFLA_VXLAN_ID,
  IFLA_VXLAN_LEARNING,
  IFLA_VXLAN_LINK,
  IFLA_VXLAN_LOCAL,
  IFLA_VXLAN_LOCAL6,
  IFLA_VXLAN_PORT,
} from '../../sys/constants/if_link.ts'
import { formatIp, ipFamily, parseIp } from '../../values/ip.ts'
import {
  type Attributes,
  attribute,
  attributeU8,
  attributeU16be,
  attributeU32,
  numberAttribute,
} from '../attribute.ts'
import type { LinkKind } from '../link.ts'

export interface VxlanSettings {
  /** The network's number, below 2^24. */
  readonly vni: number
  /** The address that packets come from, of either family. */
  readonly local: string
  /**
   * The index of the link by which packets go, 0 or left out for any. With link-local addresses they come by that one only (vxlan_vs_find_vni() in
   * drivers/net/vxlan/vxlan_core.c).
   */
  readonly link?: number
  /** The UDP port, on both sides. */
  readonly port: number
  /** Whether addresses are learned from traffic; without, the forwarding table is filled by hand. */
  readonly learning: boolean
}

export function vxlan(settings: VxlanSettings): LinkKind {
  const { link = 0 } = settings
  const local = ipFamily(settings.local) === 4 ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6
  return {
    name: 'vxlan',
    data: Buffer.concat([
      attributeU32(IFLA_VXLAN_ID, settings.vni),
      ...(link === 0 ? [] : [attributeU32(IFLA_VXLAN_LINK, link)]),
      attribute(local, parseIp(settings.local)),
      attributeU16be(IFLA_VXLAN_PORT, settings.port),
      attributeU8(IFLA_VXLAN_LEARNING, Number(settings.learning)),
    ]),
  }
}

/** The settings of an existing device, from its Link's `data`; `local` is '' when it has none. */
export function decodeVxlan(data: Attributes): Required<VxlanSettings> {
  const local = data.get(IFLA_VXLAN_LOCAL) ?? data.get(IFLA_VXLAN_LOCAL6)
  return {
    vni: numberAttribute(data, IFLA_VXLAN_ID) ?? 0,
    local: local === undefined ? '' : formatIp(local),
    link: numberAttribute(data, IFLA_VXLAN_LINK) ?? 0,
    port: data.get(IFLA_VXLAN_PORT)?.readUInt16BE(0) ?? 0,
    learning: (numberAttribute(data, IFLA_VXLAN_LEARNING) ?? 0) !== 0,
  }
}
