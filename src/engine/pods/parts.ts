/** What pods work with: parts of a daemon, or of a process that lives for one call. */
import type { NetworkDriver } from '../../drivers/driver.ts'
import type { Firewall } from '../../firewall/firewall.ts'
import type { Rule } from '../../firewall/rules.ts'
import type { PoolIpam } from '../../ipam/ipam.ts'
import type { Logger } from '../../log.ts'
import type { Ports } from '../../ports/ports.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import type { PodNetwork, PodRecord } from '../../store/pod-records.ts'
import type { EndpointRecord, NetworkRecord } from '../../store/records.ts'
import type { Collection } from '../../store/store.ts'
import type { EndpointPlan } from '../endpoints.ts'
import type { Locks } from '../locks.ts'

export interface PodParts {
  readonly store: {
    /** By the pod's id. */
    readonly pods: Collection<PodRecord>
    /** By the network's name. */
    readonly podNetworks: Collection<PodNetwork>
  }
  readonly log: Logger
  readonly locks: Locks
  /** Marks what is made in the kernel for pods; a daemon's own mark is another. */
  readonly mark: string
  /** For networks that the runtime's configuration describes; objects of their own. */
  readonly drivers: readonly NetworkDriver[]
  readonly ipam: PoolIpam
  readonly firewall: Pick<Firewall, 'apply'>
  /** All rules that stand, by the network or endpoint that they are of. */
  readonly rules: Map<string, readonly Rule[]>
  readonly ports: Pick<Ports, 'reserve' | 'adopt' | 'release'>
  /** Milliseconds for which a network stays when its last pod has gone. */
  readonly linger: number
  /** The daemon's own networks, null where there is no daemon. */
  readonly engine: EngineNetworks | null
}

/** Pods on networks that the daemon's users have made. */
export interface EngineNetworks {
  /** Throws kind 'not-found'. */
  find(name: string): NetworkRecord
  /** As `find`, but makes one of that driver where there is none. */
  ensure(name: string, driver: string): Promise<NetworkRecord>
  attach(
    undo: AsyncDisposableStack,
    sandbox: Sandbox,
    endpoint: EndpointRecord,
    plan: EndpointPlan,
  ): Promise<EndpointRecord>
  /** Safe to repeat. */
  detach(pod: PodRecord): Promise<void>
}
