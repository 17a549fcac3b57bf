/** A link that leads nowhere (drivers/net/dummy.c). */
import type { LinkKind } from '../link.ts'

export function dummy(): LinkKind {
  return { name: 'dummy', data: Buffer.alloc(0) }
}
