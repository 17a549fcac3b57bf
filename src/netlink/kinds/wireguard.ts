/** Links whose packets go encrypted by UDP to peers (drivers/net/wireguard/); what belongs to them is set by `../wireguard.ts`. */
import type { LinkKind } from '../link.ts'

export function wireguard(): LinkKind {
  return { name: 'wireguard', data: Buffer.alloc(0) }
}
