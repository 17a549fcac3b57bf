/** An operator's network driver as one of tsnet's. It makes links; names, addresses, routes and sweeping are done here, for all alike. */
import { configureEndpoint } from '../drivers/configure-endpoint.ts'
import type {
  AttachedEndpoint,
  Attachment,
  DriverContext,
  EndpointSpec,
  NetworkDriver,
} from '../drivers/driver.ts'
import { removeUnwanted } from '../drivers/link-tags.ts'
import { findLink, listLinks } from '../netlink/link.ts'
import { removeLink } from '../netlink/link-removal.ts'
import { openRouteSocket } from '../netlink/socket.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import type { NetworkRecord, NetworkSpec } from '../store/records.ts'
import { hostVethName } from '../values/interface-name.ts'
import type { EndpointIdentity, Network, NetworkPart } from './api/network.ts'
import type { Caller } from './call.ts'
import type { IsolatedNetworkPart } from './isolation/isolated.ts'
import { type OptionReader, optionReader } from './options.ts'

/** A driver's networks over its reloads. */
export class ExtensionNetworks {
  readonly name: string
  readonly #mark: string
  #part!: NetworkPart & Pick<IsolatedNetworkPart, 'askGateway'>
  #caller!: Caller
  #read!: OptionReader
  #readEndpoint!: OptionReader
  /** Networks that are in use, by id. */
  readonly #known = new Map<string, NetworkRecord>()
  /** What a driver in a thread has said of them, by network and subnet. */
  readonly #gateways = new Map<string, string>()

  /** `mark` is the daemon's. Throws what is wrong with the schemas of its options. */
  constructor(name: string, mark: string, part: NetworkPart, caller: Caller) {
    this.name = name
    // Built-in drivers sweep links of the daemon's own mark.
    this.#mark = `${mark}/${name}`
    this.replace(part, caller)
  }

  /** Takes the place of the driver's earlier version. Throws what is wrong with the schemas, and changes nothing then. */
  replace(part: NetworkPart, caller: Caller): void {
    const [read, readEndpoint] = [
      optionReader(this.name, part.options),
      optionReader(this.name, part.endpointOptions),
    ]
    this.#read = read
    this.#readEndpoint = readEndpoint
    this.#part = part
    this.#caller = caller
    for (const network of this.#known.values()) this.#askGateways(network).catch(() => {})
  }

  /** As the engine sees it: what it calls goes to the version that is loaded then. */
  get driver(): NetworkDriver {
    const { scope = 'local', gateway = 'given', ports = 'none' } = this.#part
    return {
      name: this.name,
      capabilities: { scope, addresses: 'ipam', gateway, ports },
      parseOptions: (network) => this.#read(network.options),
      checkEndpoint: (_network, { options }) => void this.#readEndpoint(options),
      gatewayFor: (network, pool) => this.#gatewayFor(network, pool),
      createNetwork: (context, network) => this.#createNetwork(context, network),
      removeNetwork: (context, network) => this.#removeNetwork(context, network),
      attach: (context, endpoint, sandbox) => this.#attach(context, endpoint, sandbox),
      detach: (context, endpoint, sandbox) => this.#detach(context, endpoint, sandbox),
      sweep: (_context, networks, endpoints) => this.#sweep(networks, endpoints),
    }
  }

  #gatewayFor(network: NetworkSpec, pool: NetworkRecord['pools'][number]): string {
    const { gatewayFor, askGateway } = this.#part
    if (askGateway !== undefined) return this.#askedGateway(network, pool.subnet)
    if (gatewayFor === undefined) return network.internal ? '' : pool.gateway
    const { subnet, gateway, auxiliary } = pool
    return this.#caller.ask('gatewayFor', () =>
      gatewayFor.call(this.#part, this.#view(network), { subnet, gateway, auxiliary }),
    )
  }

  #askedGateway(network: NetworkSpec | NetworkRecord, subnet: string): string {
    const gateway = this.#gateways.get(gatewayKey(network, subnet))
    if (gateway !== undefined) return gateway
    throw this.#caller.wrong('gatewayFor', `has not been answered yet for network ${network.name}`)
  }

  /** The engine cannot wait for a thread when it wants to know: the driver is asked before. */
  async #askGateways(network: NetworkRecord, signal?: AbortSignal): Promise<void> {
    const { askGateway } = this.#part
    if (askGateway === undefined) return
    for (const { subnet, gateway, auxiliary } of network.pools) {
      const pool = { subnet, gateway, auxiliary }
      const answer = await this.#caller.call(
        'gatewayFor',
        (call) => askGateway(this.#view(network), pool, call),
        signal,
      )
      this.#gateways.set(gatewayKey(network, subnet), answer)
    }
  }

  #forgetNetwork(network: NetworkRecord): void {
    this.#known.delete(network.id)
    for (const { subnet } of network.pools) this.#gateways.delete(gatewayKey(network, subnet))
  }

  async #createNetwork(context: DriverContext, network: NetworkRecord): Promise<[]> {
    await this.#caller.call(
      'createNetwork',
      (call) => this.#part.createNetwork?.(this.#view(network), call),
      context.signal,
    )
    await this.#askGateways(network, context.signal)
    this.#known.set(network.id, network)
    return []
  }

  async #removeNetwork(context: DriverContext, network: NetworkRecord): Promise<void> {
    await this.#caller.call(
      'removeNetwork',
      (call) => this.#part.removeNetwork?.(this.#view(network), call),
      context.signal,
    )
    this.#forgetNetwork(network)
    await removeAliased(this.#aliasOf(network.id))
  }

  async #attach(context: DriverContext, endpoint: EndpointSpec, sandbox: Sandbox): Promise<Attachment> {
    const { interfaceName, address4, address6, gateway4, gateway6, mac } = endpoint
    const wanted = {
      ...this.#identity(endpoint),
      ...{ interfaceName, mac, gateway4, gateway6, options: this.#readEndpoint(endpoint.options) },
    }
    const made = await this.#caller.call(
      'attach',
      (call) => this.#part.attach(wanted, placeOf(sandbox), call),
      context.signal,
    )
    const link = this.#configure(sandbox, endpoint)
    return { interfaceName, mac: made?.mac ?? link.address, address4, address6, gateway4, gateway6 }
  }

  #configure(sandbox: Sandbox, endpoint: EndpointSpec): { readonly address: string } {
    using socket = openRouteSocket(sandbox.netns)
    if (findLink(socket, endpoint.interfaceName) === null) {
      throw this.#caller.wrong('attach', `has brought no link ${endpoint.interfaceName} into the sandbox`)
    }
    return configureEndpoint(sandbox, endpoint)
  }

  async #detach(context: DriverContext, endpoint: AttachedEndpoint, sandbox: Sandbox | null): Promise<void> {
    const identity = this.#identity(endpoint)
    const place = sandbox === null ? null : placeOf(sandbox)
    try {
      await this.#caller.call('detach', (call) => this.#part.detach?.(identity, place, call), context.signal)
    } finally {
      await removeAliased(identity.alias)
    }
  }

  /** By aliases alone: also what a driver has made that hangs, or is another version now. */
  async #sweep(networks: readonly NetworkRecord[], endpoints: readonly AttachedEndpoint[]): Promise<void> {
    using socket = openRouteSocket()
    const wanted = new Set<string>([...networks, ...endpoints].map(({ id }) => id))
    await removeUnwanted(listLinks(socket), this.#mark, wanted)
  }

  #aliasOf(id: string): string {
    return `${this.#mark}:${id}`
  }

  #view(network: NetworkSpec | NetworkRecord): Network<never> {
    const id = 'id' in network ? network.id : ''
    const { name, internal, labels, pools } = network
    const options = this.#read(network.options)
    return { id, name, internal, labels, pools, options, alias: this.#aliasOf(id) }
  }

  #identity({ id, network, address4, address6 }: AttachedEndpoint): EndpointIdentity<never> {
    const alias = this.#aliasOf(id)
    return { id, network: this.#view(network), address4, address6, alias, hostName: hostVethName(id) }
  }
}

function gatewayKey(network: NetworkSpec | NetworkRecord, subnet: string): string {
  return `${'id' in network ? network.id : ''} ${subnet}`
}

function placeOf({ id, netns, path }: Sandbox): Pick<Sandbox, 'id' | 'netns' | 'path'> {
  return { id, netns, path }
}

async function removeAliased(alias: string): Promise<void> {
  using socket = openRouteSocket()
  for (const link of listLinks(socket).filter((candidate) => candidate.alias === alias)) {
    await removeLink(link.index)
  }
}
