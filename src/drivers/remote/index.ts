/** Networks of a Docker plugin (libnetwork's remote driver API). The plugin makes links; tsnet takes them into sandboxes. */
import { errorMessage } from '../../errors.ts'
import { isRefusal, isUndone, type Plugin, type PluginAnswer } from '../../plugins/plugin.ts'
import { Announcer } from '../../sandbox/announcer.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import type {
  EndpointInfo,
  NetworkRecord,
  NetworkSpec,
  PoolRecord,
  PortBinding,
} from '../../store/records.ts'
import type {
  AttachedEndpoint,
  Attachment,
  ClusterHost,
  DriverContext,
  EndpointSpec,
  NetworkDriver,
} from '../driver.ts'
import { announcementsOf } from '../network-options.ts'
import { chooseName, configureLink, returnLink, takeLink } from './links.ts'
import {
  createEndpointBody,
  createNetworkBody,
  type Joined,
  networkOptions,
  portOptions,
  readInterface,
  readJoin,
} from './messages.ts'

/** Milliseconds that a plugin has for one call; the caller's signal may be earlier. */
const deadline = 20_000

/** Of the kinds of discovery that of hosts (libnetwork's discoverapi). */
const nodeDiscovery = 1

/** How many endings are remembered. */
const rememberedEndings = 1000

export class RemoteDriver implements NetworkDriver<null> {
  readonly #plugin: Plugin
  readonly #isRecorded: (network: string) => boolean
  readonly #created = new Set<string>()
  readonly #announcer = new Announcer()
  /** The last endpoints that the plugin has taken back: it is not told twice. */
  readonly #gone = new Map<string, Promise<void>>()
  #known: { readonly scope: 'local' | 'global'; readonly checksGateways: boolean } | null = null

  /** `isRecorded` tells networks that the plugin has been told of, by an earlier daemon: it keeps them itself. */
  constructor(plugin: Plugin, isRecorded: (network: string) => boolean) {
    this.#plugin = plugin
    this.#isRecorded = isRecorded
  }

  get name(): string {
    return this.#plugin.name
  }

  /** The scope is 'local' until the plugin has said otherwise. */
  get capabilities(): NetworkDriver['capabilities'] {
    return { scope: this.#known?.scope ?? 'local', addresses: 'ipam', gateway: 'always', ports: 'driver' }
  }

  /** Of most the plugin alone knows the meaning, and says so when the network is made. */
  parseOptions(network: NetworkSpec): null {
    announcementsOf(network)
    return null
  }

  checkEndpoint(): void {}

  gatewayFor(network: NetworkRecord, pool: PoolRecord): string {
    if (network.internal) return ''
    // Where no address was wanted for one, the plugin says at the join what leads out.
    return pool.gateway || (pool.subnet.includes(':') ? '::' : '0.0.0.0')
  }

  async createNetwork(context: DriverContext, network: NetworkRecord): Promise<readonly []> {
    if (this.#created.has(network.id) || this.#isRecorded(network.id)) return []
    await this.#learn(context)
    await this.#call(context, 'CreateNetwork', createNetworkBody(network))
    this.#created.add(network.id)
    return []
  }

  /** As in Docker, a plugin that is gone or refuses does not keep its networks for ever. */
  async removeNetwork(context: DriverContext, network: NetworkRecord): Promise<void> {
    await this.#tell(context, 'DeleteNetwork', { NetworkID: network.id })
    this.#created.delete(network.id)
  }

  async attach(context: DriverContext, endpoint: EndpointSpec, sandbox: Sandbox): Promise<Attachment> {
    context.signal.throwIfAborted()
    this.#gone.delete(endpoint.id)
    await using undo = new AsyncDisposableStack()
    // The caller's deadline may be what it failed of.
    undo.defer(() => this.detach({ ...context, signal: AbortSignal.timeout(deadline) }, endpoint, sandbox))
    const created = await this.#call(context, 'CreateEndpoint', createEndpointBody(endpoint), sandbox.id)
    const chosen = { ...endpoint, ...readInterface(this.name, created, endpoint) }
    const joining = { ...idsOf(endpoint), SandboxKey: sandbox.path, Options: {} }
    const joined = readJoin(this.name, await this.#call(context, 'Join', joining))
    const attachment = this.#place({ ...chosen, ...gatewaysOf(chosen, joined) }, joined, sandbox)
    if (endpoint.defaultRoute4 || endpoint.defaultRoute6) {
      const outside = { ...idsOf(endpoint), Options: portOptions(endpoint.ports ?? []) }
      await this.#call(context, 'ProgramExternalConnectivity', outside)
    }
    const info = await this.#infoOf(context, endpoint)
    undo.move()
    return { ...attachment, ...info }
  }

  #place(endpoint: EndpointSpec, joined: Joined, sandbox: Sandbox): Attachment {
    const { id, mac, address4, address6, gateway4, gateway6 } = endpoint
    const facts = { mac, address4, address6, gateway4, gateway6 }
    if (joined.source === '') return { interfaceName: '', ...facts }
    const interfaceName = chooseName(sandbox, endpoint.interfaceName, joined)
    takeLink(this.name, sandbox, id, joined.source, interfaceName)
    const { index, address } = configureLink(sandbox, renamed(endpoint, interfaceName), joined)
    const what = { index, mac: address, addresses: [address4, address6] }
    this.#announcer.announce(sandbox, id, what, announcementsOf(endpoint.network))
    return { ...facts, interfaceName, mac: address }
  }

  /** A container's end and its removal may both ask for it, at the same time too. */
  detach(context: DriverContext, endpoint: AttachedEndpoint, sandbox: Sandbox | null): Promise<void> {
    const { id } = endpoint
    const ending = this.#gone.get(id) ?? this.#end(context, endpoint, sandbox)
    this.#gone.set(id, ending)
    ending.catch(() => this.#gone.delete(id))
    const [oldest] = this.#gone.keys()
    if (this.#gone.size > rememberedEndings && oldest !== undefined) this.#gone.delete(oldest)
    return ending
  }

  /** A plugin that does not do its part keeps no container from ending. */
  async #end(context: DriverContext, endpoint: AttachedEndpoint, sandbox: Sandbox | null): Promise<void> {
    const ids = idsOf(endpoint)
    this.#announcer.stop(endpoint.id)
    await this.#tell(context, 'RevokeExternalConnectivity', ids)
    await this.#tell(context, 'Leave', ids)
    if (sandbox !== null) returnLink(sandbox, endpoint.id)
    await this.#tell(context, 'DeleteEndpoint', ids)
  }

  async #learn(context: DriverContext): Promise<void> {
    if (this.#known !== null) return
    const { Scope: scope, GwAllocChecker: checker } = await this.#call(context, 'GetCapabilities', {})
    this.#known = { scope: scope === 'global' ? 'global' : 'local', checksGateways: checker === true }
  }

  async gatewayless(context: DriverContext, network: NetworkSpec): Promise<readonly (4 | 6)[]> {
    await this.#learn(context)
    if (this.#known?.checksGateways !== true) return []
    const body = { Options: networkOptions(network) }
    const { SkipIPv4: v4, SkipIPv6: v6 } = await this.#call(context, 'GwAllocCheck', body)
    return [...(v4 === true ? [4 as const] : []), ...(v6 === true ? [6 as const] : [])]
  }

  /** The plugin's way is all or nothing. */
  async publish(
    context: DriverContext,
    endpoint: AttachedEndpoint,
    ports: readonly PortBinding[],
  ): Promise<void> {
    const ids = idsOf(endpoint)
    await this.#tell(context, 'RevokeExternalConnectivity', ids)
    await this.#call(context, 'ProgramExternalConnectivity', { ...ids, Options: portOptions(ports) })
  }

  /** As swarm's nodes tell Docker's plugins of each other. */
  async discover(context: DriverContext, { address, isSelf }: ClusterHost, isThere: boolean): Promise<void> {
    const data = { Address: address, BindAddress: address, self: isSelf }
    const verb = isThere ? 'DiscoverNew' : 'DiscoverDelete'
    await this.#tell(context, verb, { DiscoveryType: nodeDiscovery, DiscoveryData: data })
  }

  /** Not all plugins know the question. */
  async #infoOf(context: DriverContext, endpoint: AttachedEndpoint): Promise<Pick<Attachment, 'info'>> {
    try {
      const { Value: info } = await this.#call(context, 'EndpointOperInfo', idsOf(endpoint))
      const isTold = typeof info === 'object' && info !== null && Object.keys(info).length > 0
      return isTold ? { info: info as EndpointInfo } : {}
    } catch (error) {
      context.log.debug(
        { plugin: this.name, why: errorMessage(error) },
        'a plugin tells nothing of an endpoint',
      )
      return {}
    }
  }

  /** What it may have done already, or never knew of, it refuses. */
  async #tell(context: DriverContext, verb: string, body: object): Promise<void> {
    try {
      await this.#call(context, verb, body)
    } catch (error) {
      const what = { plugin: this.name, call: verb, why: errorMessage(error) }
      if (isRefusal(error)) context.log.debug(what, 'a plugin refused')
      else if (isUndone(error) || verb !== 'DeleteNetwork')
        context.log.warn(what, 'a plugin could not be told of an ending')
      else throw error
    }
  }

  #call(context: DriverContext, verb: string, body: object, waiter?: string): Promise<PluginAnswer> {
    const options = { deadline, signal: context.signal, ...(waiter !== undefined && { waiter }) }
    return this.#plugin.call(`NetworkDriver.${verb}`, body, options)
  }
}

function idsOf({ id, network }: AttachedEndpoint): object {
  return { NetworkID: network.id, EndpointID: id }
}

/** The plugin says what leads out, for the families that the endpoint has. */
function gatewaysOf(
  { address4, address6, network }: EndpointSpec,
  { gateway4, gateway6 }: Joined,
): Pick<EndpointSpec, 'gateway4' | 'gateway6'> {
  if (network.internal) return { gateway4: '', gateway6: '' }
  return { gateway4: address4 && gateway4, gateway6: address6 && gateway6 }
}

/** The endpoint under another name of its interface, which is part of its sysctls' paths. */
function renamed(endpoint: EndpointSpec, interfaceName: string): EndpointSpec {
  const sysctls = Object.entries(endpoint.sysctls).map(([path, value]) => [
    path.replace(`/${endpoint.interfaceName}/`, () => `/${interfaceName}/`),
    value,
  ])
  return { ...endpoint, interfaceName, sysctls: Object.fromEntries(sysctls) }
}
