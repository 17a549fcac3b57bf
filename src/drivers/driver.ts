/** What a network driver is: four verbs and a bag of facts. */
import type { Rule } from '../firewall/rules.ts'
import type { Logger } from '../log.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import type {
  EndpointDns,
  EndpointInfo,
  EndpointRequest,
  EndpointRoute,
  Labels,
  NetworkRecord,
  NetworkSpec,
  PoolRecord,
  PortBinding,
} from '../store/records.ts'
import type { EndpointId, NetworkId } from '../values/id.ts'

export interface DriverContext {
  /** Begins the ifalias of every link: `<mark>:<id>`. Daemons that share a namespace have marks of their own. */
  readonly mark: string
  readonly log: Logger
  /** Aborted when the caller gave up or the deadline has passed. */
  readonly signal: AbortSignal
}

/** An endpoint as wanted, addresses already leased. */
export interface EndpointSpec {
  readonly id: EndpointId
  readonly network: NetworkRecord
  /** The interface's name inside the sandbox, e.g. eth0. */
  readonly interfaceName: string
  /** '' lets the driver choose. */
  readonly mac: string
  /** With prefix length, '' for none. */
  readonly address4: string
  readonly address6: string
  /** Further addresses, without prefix length. */
  readonly linkLocal: readonly string[]
  /** As `gatewayFor` said. */
  readonly gateway4: string
  readonly gateway6: string
  /** Whether this endpoint's gateways become the sandbox's default routes. */
  readonly defaultRoute4: boolean
  readonly defaultRoute6: boolean
  /** Below /proc/sys, with the interface's name filled in. */
  readonly sysctls: Labels
  /** Whether the interface may send from its own hardware address alone, which rules about the container go by. */
  readonly onlyOwnMac: boolean
  /** The driver's own, those of every driver taken out. */
  readonly options: Labels
  /** What the container wants published, for a driver that sees to ports itself. */
  readonly ports?: readonly PortBinding[]
  /** Names that the container is to have on this network beside its own. */
  readonly aliases?: readonly string[]
}

/** What a user asked for that not every driver can do; of the options the driver's own. */
export type EndpointWish = Pick<EndpointRequest, 'mac' | 'options'>

/** What is known of an endpoint that was attached, perhaps by an earlier daemon. */
export type AttachedEndpoint = Pick<EndpointSpec, 'id' | 'network' | 'address4' | 'address6'>

/** An endpoint of a running container. */
export interface StandingEndpoint extends AttachedEndpoint, Pick<EndpointSpec, 'mac' | 'onlyOwnMac'> {
  /** Null when it is gone meanwhile; to be disposed of. */
  readonly sandbox: () => Sandbox | null
}

export interface ClusterHost {
  /** The underlay's. */
  readonly address: string
  /** Whether it is this one. */
  readonly isSelf: boolean
}

/** What attach made. The interface is up, addressed and routed. */
export interface Attachment {
  readonly interfaceName: string
  readonly mac: string
  readonly address4: string
  readonly address6: string
  readonly gateway4: string
  readonly gateway6: string
  /** What a driver has decided that nobody here asked for, beside the default routes. */
  readonly routes?: readonly EndpointRoute[]
  readonly dns?: EndpointDns
  /** In the driver's own words. */
  readonly info?: EndpointInfo
}

export interface NetworkDriver<O = unknown> {
  readonly name: string
  readonly capabilities: {
    readonly scope: 'local' | 'global'
    readonly addresses: 'ipam' | 'driver' | 'none'
    /** Whether a pool has a gateway always, or only if the user names one. */
    readonly gateway: 'always' | 'given'
    /** `reserved`: the driver leads packets, by host ports that the engine has chosen and keeps from others. */
    readonly ports: 'engine' | 'driver' | 'reserved' | 'none'
  }
  /** Turns labels into typed options; throws kind 'invalid' on unknown keys and bad values. Pure. */
  parseOptions(network: NetworkSpec): O
  /** Throws kind 'invalid' for what an endpoint of this driver cannot have, such as options that it does not know. Pure. */
  checkEndpoint(network: NetworkSpec, endpoint: EndpointWish): void
  /** Throws kind 'unsupported' for a network that this host cannot have part in, in words for who creates it. Quick. */
  checkHost?(network: NetworkSpec): void
  /**
   * What leads out of a network for endpoints with an address of `pool`: a next hop, '0.0.0.0' or '::' for the link itself,
   * '' when nothing does. Pure.
   */
  gatewayFor(network: NetworkSpec, pool: PoolRecord): string
  /** Of a driver that gives addresses itself: whether a network leads out by a family. Quick. */
  leadsOut?(network: NetworkSpec, family: 4 | 6): boolean
  /** The options of a network that the driver knows by that name although nobody has created it. Quick. */
  optionsFor?(name: string): Labels | undefined
  /**
   * What the network itself needs an address for, in each pool. They are leased before it is created and told among the auxiliary
   * addresses, by these names, where the user gave none. Pure.
   */
  ownAddresses?(network: NetworkSpec): readonly string[]
  /** Families in whose pools a network that was given no gateway needs no address for one. */
  gatewayless?(context: DriverContext, network: NetworkSpec): Promise<readonly (4 | 6)[]>
  /** Makes or completes the kernel's side of a network; safe to repeat. Returns the rules that the network needs. */
  createNetwork(context: DriverContext, network: NetworkRecord): Promise<readonly Rule[]>
  /** Safe to repeat. Name, addresses and routes are free after it; what else there was may go a little later. */
  removeNetwork(context: DriverContext, network: NetworkRecord): Promise<void>
  /** Waits for whatever goes later. */
  settle?(): Promise<void>
  attach(context: DriverContext, endpoint: EndpointSpec, sandbox: Sandbox): Promise<Attachment>
  /** Publishes exactly these ports of an attached endpoint from now on. A driver without it cannot change what it was told at first. */
  publish?(context: DriverContext, endpoint: AttachedEndpoint, ports: readonly PortBinding[]): Promise<void>
  /** Tells of a host of the cluster that has come, or that has gone, for a driver that reaches other hosts itself. */
  discover?(context: DriverContext, host: ClusterHost, isThere: boolean): Promise<void>
  /** Brings an attached endpoint to options that have changed. A driver without it knows none that can. */
  reconfigure?(context: DriverContext, endpoint: EndpointSpec, sandbox: Sandbox): Promise<void>
  /** Safe to repeat, also after the sandbox is gone, which is null then. */
  detach(context: DriverContext, endpoint: AttachedEndpoint, sandbox: Sandbox | null): Promise<void>
  /**
   * Compares the kernel's side of a network, and of those of its endpoints that are given, with what it should be, makes good what
   * somebody else has changed, and returns what that was, in words.
   */
  repair?(
    context: DriverContext,
    network: NetworkRecord,
    endpoints: readonly StandingEndpoint[],
  ): Promise<readonly string[]>
  /**
   * Those of the endpoints whose interfaces somebody has removed. They are detached and attached again; a driver without it never has
   * that done.
   */
  findLost?(context: DriverContext, endpoints: readonly StandingEndpoint[]): Promise<readonly EndpointId[]>
  /** Programs that networks need, by their names: whether they are there. */
  programs?(networks: readonly NetworkRecord[]): Promise<ReadonlyMap<string, boolean>>
  /** Calls `suspect` with networks that are to be repaired, for reasons that the driver alone knows of, until disposed of. */
  follow?(suspect: (network: NetworkId) => void): Disposable
  /**
   * Removes what carries this driver's mark in the kernel but is not among `networks` and `endpoints`, and completes what is
   * the host's for these.
   */
  sweep?(
    context: DriverContext,
    networks: readonly NetworkRecord[],
    endpoints: readonly AttachedEndpoint[],
  ): Promise<void>
}
