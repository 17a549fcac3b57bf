/** Network drivers: how a container's interface comes about. */
import type { Static, TSchema } from 'typebox'
import type { Awaitable, DriverContext, ReadonlyLabels } from './context.ts'
import type { Netns } from './netlink.ts'

export interface NetworkPool {
  /** CIDR */
  readonly subnet: string
  /** '' for none */
  readonly gateway: string
  /** Reserved addresses by name. */
  readonly auxiliary: ReadonlyLabels
}

export interface Network<O> {
  readonly id: string
  readonly name: string
  /** Nothing may lead out. */
  readonly internal: boolean
  /** As the schema says, defaults filled in. */
  readonly options: O
  readonly labels: ReadonlyLabels
  readonly pools: readonly NetworkPool[]
  /** The alias for links on the host that belong to it: links with it go away with the network. */
  readonly alias: string
}

export interface EndpointIdentity<O> {
  readonly id: string
  readonly network: Network<O>
  /** With prefix length, '' for none. */
  readonly address4: string
  readonly address6: string
  /** The alias for links on the host that belong to it: links with it go away with the endpoint, also after a crash. */
  readonly alias: string
  /** A name for a link on the host, unique for the endpoint. */
  readonly hostName: string
}

export interface Endpoint<O, E> extends EndpointIdentity<O> {
  /** The interface's name in the container, such as eth0. */
  readonly interfaceName: string
  /** '' lets the driver, or the kernel, choose. */
  readonly mac: string
  /** As `gatewayFor` said. */
  readonly gateway4: string
  readonly gateway6: string
  readonly options: E
}

/** A container's network namespace. */
export interface Sandbox {
  /** The container's id. */
  readonly id: string
  readonly netns: Netns
  /** A file that stands for the namespace, for `ip -n` and `nsenter --net=`. */
  readonly path: string
}

/** What a driver may tell of an endpoint that it has attached. */
export interface Attached {
  /** The hardware address; without it that of the link. */
  readonly mac?: string
}

/** Every verb is safe to repeat: a call may come again after a crash, and after one whose time was over. */
export interface NetworkPart<S extends TSchema = TSchema, E extends TSchema = TSchema> {
  /** 'local' unless said otherwise. */
  readonly scope?: 'local' | 'global'
  /** Whether a pool has a gateway always, or only if the user names one ('given', unless said otherwise). */
  readonly gateway?: 'always' | 'given'
  /** 'engine' lets tsnet publish ports by rules to the endpoint's address; 'none', unless said otherwise, discards `-p`. */
  readonly ports?: 'engine' | 'none'
  /** The options of `docker network create --opt`, an object. Without it there are none. */
  readonly options?: S
  /** Those of `--driver-opt` of an endpoint. */
  readonly endpointOptions?: E
  /**
   * What leads out for addresses of `pool`: a next hop, '0.0.0.0' or '::' for the link itself, '' when nothing does. Without it
   * the pool's gateway, unless the network is internal. Quick, and without side effects.
   */
  gatewayFor?(network: Network<Static<S>>, pool: NetworkPool): string
  /** Makes what the network needs on the host. Called again at each start of the daemon. */
  createNetwork?(network: Network<Static<S>>, context: DriverContext): Awaitable<void>
  removeNetwork?(network: Network<Static<S>>, context: DriverContext): Awaitable<void>
  /**
   * Brings a link named `endpoint.interfaceName` into the sandbox. tsnet then gives it its addresses, sysctls and routes, and
   * brings it up.
   */
  attach(
    endpoint: Endpoint<Static<S>, Static<E>>,
    sandbox: Sandbox,
    context: DriverContext,
  ): Awaitable<Attached> | Awaitable<void>
  /** The sandbox is null when it is gone. Links with the endpoint's alias go without the driver's doing. */
  detach?(
    endpoint: EndpointIdentity<Static<S>>,
    sandbox: Sandbox | null,
    context: DriverContext,
  ): Awaitable<void>
}
