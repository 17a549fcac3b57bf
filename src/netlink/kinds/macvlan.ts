/** Links with a hardware address of their own on a parent link (drivers/net/macvlan.c). */
import {
  IFLA_MACVLAN_MODE,
  MACVLAN_MODE_BRIDGE,
  MACVLAN_MODE_PASSTHRU,
  MACVLAN_MODE_PRIVATE,
  MACVLAN_MODE_VEPA,
} from '../../sys/constants/if_link.ts'
import { attributeU32 } from '../attribute.ts'
import type { LinkKind } from '../link.ts'

const modes = {
  private: MACVLAN_MODE_PRIVATE,
  vepa: MACVLAN_MODE_VEPA,
  bridge: MACVLAN_MODE_BRIDGE,
  passthru: MACVLAN_MODE_PASSTHRU,
} as const

export type MacvlanMode = keyof typeof modes

/** Goes with a LinkSpec that has a `parent`. */
export function macvlan(mode: MacvlanMode): LinkKind {
  return { name: 'macvlan', data: attributeU32(IFLA_MACVLAN_MODE, modes[mode]) }
}
