/** The wanted rules as data. Drivers and ports make them, a backend renders them, nobody else knows iptables or nft. */
import type { Protocol } from '../store/records.ts'

/** A bridge's share of the firewall: isolation, forwarding, masquerading. One per network and family. */
export interface BridgeRule {
  readonly kind: 'bridge'
  /** the network's id */
  readonly owner: string
  readonly family: 4 | 6
  readonly interface: string
  /** CIDR */
  readonly subnet: string
  readonly internal: boolean
  readonly masquerade: boolean
}

/** A published port or range: host ports hostPort… are sent on to `address` at port…, `count` of them. */
export interface PublishRule {
  readonly kind: 'publish'
  /** the endpoint's id */
  readonly owner: string
  readonly family: 4 | 6
  readonly protocol: Protocol
  /** '' for every local address of the family */
  readonly hostAddress: string
  readonly hostPort: number
  readonly count: number
  /** the bridge behind which the container is */
  readonly interface: string
  /** the container's address, without prefix length */
  readonly address: string
  readonly port: number
}

export type Rule = BridgeRule | PublishRule

/** Applied whole or not at all. */
export interface Batch {
  readonly add: readonly Rule[]
  readonly remove: readonly Rule[]
}

/** The batch that takes `batch` back. */
export function inverse(batch: Batch): Batch {
  return { add: batch.remove, remove: batch.add }
}
