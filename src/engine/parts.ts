/** The collaborators of the engine's modules, joined in daemon.ts. */

import type { AddressPool, TrashLimits } from '../config/config.ts'
import type { HostResolver } from '../dns/host-resolver.ts'
import type { NameService } from '../dns/server.ts'
import type { NetworkDriver } from '../drivers/driver.ts'
import type { DriverKind } from '../drivers/registry.ts'
import type { Extensions } from '../extensions/extensions.ts'
import type { Firewall } from '../firewall/firewall.ts'
import type { Rule } from '../firewall/rules.ts'
import type { ManagedImages } from '../images/images.ts'
import type { Ipam } from '../ipam/ipam.ts'
import type { Logger } from '../log.ts'
import type { Plugins } from '../plugins/plugins.ts'
import type { Ports } from '../ports/ports.ts'
import type { Labels } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import type { Supervisor } from '../supervisor/client.ts'
import type { VolumeDriver } from '../volumes/volume.ts'
import type { Workers } from '../volumes/workers.ts'
import type { EgressGrants } from './egress-grants.ts'
import type { Events } from './events.ts'
import type { ForeignOwner } from './foreign-endpoints.ts'
import type { Locks } from './locks.ts'
import type { MoveMarks } from './moves/marks.ts'
import type { ClusterParts } from './shared-networks.ts'

export interface Parts {
  readonly dataRoot: string
  readonly execRoot: string
  readonly log: Logger
  readonly store: Store
  readonly events: Events
  readonly locks: Locks
  readonly supervisor: Supervisor
  readonly firewall: Firewall
  readonly ports: Ports
  /** Whether published ports are reached at containers' own addresses by whichever of the host's interfaces. */
  readonly directRouting: boolean
  readonly names: NameService
  /** The addresses that containers with an egress policy may reach by name. */
  readonly egress: EgressGrants
  /** The host's resolver settings. */
  readonly resolver: HostResolver
  /** What `host-gateway` stands for; empty for the default bridge's addresses. */
  readonly hostGatewayIps: readonly string[]
  /** Null outside of a cluster. */
  readonly cluster: ClusterParts | null
  /** Containers on their way from or to another host of it. */
  readonly moves: MoveMarks
  /** Of endpoints on the daemon's networks that are no container's of its. */
  readonly foreignOwners: ForeignOwner[]
  readonly images: ManagedImages
  /** Throws Docker's sentence for an unknown name. */
  networkDriver(name: string): NetworkDriver
  networkDrivers(): readonly NetworkDriver[]
  /** Drivers in files of the operator's. */
  readonly extensions: Extensions
  /** Programs that speak Docker's plugin protocol. */
  readonly plugins: Pick<Plugins, 'list' | 'waitOf' | 'probe'>
  isBuiltInDriver(kind: DriverKind, name: string): boolean
  ipam(name: string): Ipam
  ipams(): readonly Ipam[]
  volumeDriver(name: string): VolumeDriver
  volumeDrivers(): readonly VolumeDriver[]
  /** Processes for what may hang or walks through trees. */
  readonly workers: Workers
  readonly trashLimits: TrashLimits
  /** Marks what this daemon has made in the kernel, and names its cgroups' parent: `tsnet`, or `tsnet-1a2b3c` beside others. */
  readonly mark: string
  /** The rules that each network stands for, by its id. */
  readonly networkRules: Map<string, readonly Rule[]>
  /** Options that networks of a driver get where the user gives none, by the driver's name. */
  readonly networkDefaults: Readonly<Record<string, Labels>>
  /** Where this host's own networks are cut from. */
  readonly addressPools: readonly AddressPool[]
  /** CIDRs of the host's routes and name servers. */
  usedRoutes(): readonly string[]
  /** Name of the default network's bridge. */
  readonly defaultBridge: string
  /** The text of a file of the host, '' when it is missing. */
  hostFile(path: string): string
}
