import type { Batch, Rule } from './rules.ts'

/** Renders rules into the kernel of the namespace the daemon runs in. */
export interface Firewall {
  readonly backend: 'iptables' | 'nftables'
  /** One transaction. Adding a rule that stands and removing one that is gone are both harmless. */
  apply(batch: Batch): Promise<void>
  /** Makes `rules` the whole of what stands, whatever a former process or somebody else left in tsnet's own tables. */
  replaceAll(rules: readonly Rule[]): Promise<void>
  /** Takes away everything of tsnet's. */
  clear(): Promise<void>
  close(): void
}
