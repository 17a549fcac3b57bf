/** What tsnet's plugin works with, joined in daemon.ts. */
import type { NetworkDriver } from '../drivers/driver.ts'
import type { Volumes } from '../engine/engine.ts'
import type { Firewall } from '../firewall/firewall.ts'
import type { Rule } from '../firewall/rules.ts'
import type { PoolIpam, PoolLeases } from '../ipam/ipam.ts'
import type { Logger } from '../log.ts'
import type { Ports } from '../ports/ports.ts'
import type { NetworkRecord } from '../store/records.ts'
import type { Store } from '../store/store.ts'

export interface GuestParts {
  readonly store: Store
  readonly log: Logger
  /** Marks what is made in the kernel for the other engine; the daemon's own mark is another. */
  readonly mark: string
  /** Those that are offered; objects of their own, which know nothing of the daemon's networks. */
  readonly drivers: readonly NetworkDriver[]
  readonly ipam: PoolIpam
  readonly firewall: Pick<Firewall, 'apply'>
  /** All rules that stand, by the network or endpoint that they are of; shared with the daemon's own. */
  readonly rules: Map<string, readonly Rule[]>
  readonly shared: SharedNetworks
  readonly directRouting: boolean
  readonly ports: Pick<Ports, 'reserve' | 'adopt' | 'release'>
  readonly volumes: () => Pick<
    Volumes,
    'create' | 'get' | 'list' | 'remove' | 'lend' | 'takeBack' | 'borrowers'
  >
}

/** The cluster's networks; without a cluster its verbs throw kind 'unavailable'. */
export interface SharedNetworks {
  /** The one that a network of the other engine stands for; undefined where it stands for itself. */
  of(network: NetworkRecord): NetworkRecord | undefined
  /** The one of that name, made if there is none. `subnet` may be ''. */
  ensure(name: string, subnet: string): Promise<NetworkRecord>
  leases(): Pick<PoolLeases, 'lease' | 'release'>
}

/** One verb of the protocol: fields in, fields out. Whatever it throws is told in the answer. */
export type Verb = (body: Record<string, unknown>) => Promise<object>
export type Verbs = Readonly<Record<string, Verb>>
