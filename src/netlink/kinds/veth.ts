/** A pair of virtual cables: what enters one end leaves the other (veth(4), drivers/net/veth.c). */
import { VETH_INFO_PEER } from '../../sys/constants/veth.ts'
import { attribute } from '../attribute.ts'
import { encodeLink, type LinkKind, type LinkSettings } from '../link.ts'

/** The kind whose far end is `peer`, which may be created directly in another namespace. */
export function veth(peer: LinkSettings & { readonly name: string }): LinkKind {
  return { name: 'veth', data: attribute(VETH_INFO_PEER, encodeLink(0, peer)) }
}
