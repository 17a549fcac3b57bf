/**
 * Networks of CNI plugins. The plugins make interfaces, give addresses and lead ports; tsnet calls them, as the runtime of the
 * specification, and keeps what they answered.
 */
import { type AttachmentRecord, Attachments } from '../../cni/attachments.ts'
import {
  addTo,
  agreeOnVersion,
  askStatus,
  type ChainOptions,
  checkIn,
  collectGarbage,
  type NetworkInUse,
  removeFrom,
} from '../../cni/chain.ts'
import { sweepHostLocal } from '../../cni/host-local.ts'
import {
  findNetworkList,
  loadNetworkList,
  type NetworkList,
  type PluginConfig,
} from '../../cni/network-list.ts'
import { attachmentsOfOthers } from '../../cni/other-runtimes.ts'
import { findProgram } from '../../cni/program.ts'
import { errorMessage, TsnetError } from '../../errors.ts'
import { findLink } from '../../netlink/link.ts'
import { removeLink } from '../../netlink/link-removal.ts'
import { openRouteSocket } from '../../netlink/socket.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import type { NetworkRecord, NetworkSpec } from '../../store/records.ts'
import type { AttachedEndpoint, Attachment, DriverContext, EndpointSpec, NetworkDriver } from '../driver.ts'
import { parseRates, rateOptions } from '../endpoint-rates.ts'
import { refuseEndpointOptions } from '../network-options.ts'
import { type CniOptions, parseCniOptions } from './options.ts'
import { completeOutcome, readOutcome } from './outcome.ts'
import { leadsOut, requestOf } from './request.ts'

export interface CniPlaces {
  /** Where networks are described. */
  readonly configurations: string
  /** Where plugins' programs are, the first that has one counts. */
  readonly programs: readonly string[]
  /** What is remembered of attachments. */
  readonly state: string
}

/** Milliseconds that a plugin has for one call; the caller's signal may be earlier. */
const deadline = 20_000

export class CniDriver implements NetworkDriver<CniOptions> {
  readonly name = 'cni'
  readonly capabilities = {
    scope: 'local',
    addresses: 'driver',
    gateway: 'given',
    ports: 'reserved',
  } as const
  readonly #places: CniPlaces
  readonly #isRecorded: (network: string) => boolean
  readonly #attachments: Attachments
  /** Attached since the last sweep was asked for, by an endpoint's id: it does not concern them. */
  readonly #fresh = new Set<string>()
  #sweeping: Promise<unknown> = Promise.resolve()
  readonly #leaving = new AbortController()
  /** Until the first sweep, or the first container: what is to be taken back until then is the sweep's, and nobody waits for it. */
  #isStarting = true

  /** `isRecorded` tells networks that an earlier daemon has asked for: nothing waits for their plugins when the daemon starts. */
  constructor(places: CniPlaces, isRecorded: (network: string) => boolean) {
    this.#places = places
    this.#isRecorded = isRecorded
    this.#attachments = new Attachments(places.state)
  }

  parseOptions(network: NetworkSpec): CniOptions {
    return parseCniOptions(network)
  }

  checkEndpoint(network: NetworkSpec, { options }: Pick<EndpointSpec, 'options'>): void {
    refuseEndpointOptions('cni', network, options, Object.values(rateOptions))
    parseRates(options)
  }

  gatewayFor(): string {
    return ''
  }

  leadsOut(network: NetworkSpec, family: 4 | 6): boolean {
    try {
      return leadsOut(this.#listOf(network), family)
    } catch {
      // What is wrong with the list is told to who attaches.
      return true
    }
  }

  /** The options of a network of the operator's that is to be used by its name alone. */
  optionsFor(name: string): Readonly<Record<string, string>> | undefined {
    return findNetworkList(this.#places.configurations, name) && { conflist: name }
  }

  /** Plugins make nothing for a network that has no endpoints; whether they are there and ready is asked at once. */
  async createNetwork(context: DriverContext, network: NetworkRecord): Promise<readonly []> {
    context.signal.throwIfAborted()
    if (this.#isRecorded(network.id)) return []
    const list = this.#listOf(network)
    const options = this.#options(context)
    await askStatus({ list, version: await agreeOnVersion(list, options) }, options)
    return []
  }

  async removeNetwork(): Promise<void> {}

  async attach(context: DriverContext, endpoint: EndpointSpec, sandbox: Sandbox): Promise<Attachment> {
    context.signal.throwIfAborted()
    const { id, interfaceName } = endpoint
    const list = this.#listOf(endpoint.network)
    const request = requestOf(list, endpoint)
    this.#isStarting = false
    refuseTaken(sandbox, interfaceName)
    await this.detach(context, endpoint, sandbox)
    const use = await this.#use(context, list)
    const containerId = `${context.mark}.${sandbox.id}`
    const attachment = { containerId, netns: sandbox.path, interfaceName, ...request }
    this.#fresh.add(id)
    this.#attachments.put({ id, use, attachment, result: null })
    await using undo = new AsyncDisposableStack()
    // The caller's deadline may be what it failed of.
    undo.defer(() => this.detach({ ...context, signal: AbortSignal.timeout(deadline) }, endpoint, sandbox))
    const result = await addTo(use, attachment, this.#options(context))
    this.#attachments.put({ id, use, attachment, result })
    const last = list.plugins.at(-1)?.type ?? ''
    const made = completeOutcome(sandbox, endpoint, readOutcome(last, result, endpoint, sandbox))
    undo.move()
    return made
  }

  /** A plugin that does not do its part keeps no container from ending; what it has kept is tried again at the next start. */
  async detach(context: DriverContext, { id }: AttachedEndpoint, sandbox: Sandbox | null): Promise<void> {
    const record = this.#attachments.find(id)
    if (record === undefined || this.#isStarting) return
    this.#fresh.delete(id)
    const isFreed = await this.#free(context, record, sandbox)
    if (sandbox !== null) await removeInterface(sandbox, record.attachment.interfaceName)
    if (isFreed) this.#attachments.delete(id)
  }

  /** Returns whether all plugins have taken the attachment back. */
  async #free(context: DriverContext, record: AttachmentRecord, sandbox: Sandbox | null): Promise<boolean> {
    const { use, result } = record
    const { containerId, interfaceName } = record.attachment
    const attachment = { ...record.attachment, netns: sandbox?.path ?? '' }
    try {
      await removeFrom(use, attachment, result, this.#options(context))
    } catch (error) {
      const what = { network: use.list.name, container: containerId, why: errorMessage(error) }
      context.log.warn(what, 'CNI plugins did not take an attachment back')
      return false
    } finally {
      sweepHostLocal(use.list, (owner, name) => owner === containerId && name === interfaceName)
    }
    return true
  }

  /** Also those that give addresses to others. Of a network whose list is missing nothing can be told. */
  async programs(networks: readonly NetworkRecord[]): Promise<ReadonlyMap<string, boolean>> {
    const lists = networks.flatMap((network) => {
      try {
        return [this.#listOf(network)]
      } catch {
        return []
      }
    })
    const names = new Set(lists.flatMap(({ plugins }) => plugins.flatMap(programsOf)))
    const looks = [...names].map(
      async (name) => [name, await isProgram(name, this.#places.programs)] as const,
    )
    return new Map(await Promise.all(looks))
  }

  /** Plugins that hang over what is left keep the daemon for no longer than a moment. */
  async settle(): Promise<void> {
    const patience = setTimeout(() => this.#leaving.abort(), 1000)
    await this.#sweeping
    clearTimeout(patience)
  }

  /** In the background: plugins that hang keep nobody waiting. */
  async sweep(
    context: DriverContext,
    networks: readonly NetworkRecord[],
    endpoints: readonly AttachedEndpoint[],
  ): Promise<void> {
    const standing = new Set<string>(endpoints.map(({ id }) => id))
    this.#isStarting = false
    this.#fresh.clear()
    const patient = { ...context, signal: this.#leaving.signal }
    const work = this.#sweeping.then(() => this.#sweep(patient, networks, standing))
    this.#sweeping = work.catch((error: unknown) =>
      context.log.warn({ why: errorMessage(error) }, 'what CNI plugins hold could not be swept'),
    )
  }

  async #sweep(
    context: DriverContext,
    networks: readonly NetworkRecord[],
    standing: ReadonlySet<string>,
  ): Promise<void> {
    const isLive = (id: string): boolean => standing.has(id) || this.#fresh.has(id)
    for (const record of this.#attachments.list().filter(({ id }) => !isLive(id))) {
      if (isLive(record.id)) continue
      if (await this.#free(context, record, null)) this.#attachments.delete(record.id)
    }
    for (const network of networks) await this.#sweepNetwork(context, network)
    for (const record of this.#attachments.list()) await this.#check(context, record)
  }

  /** Leases by tsnet's own name for containers are judged by what is remembered; other runtimes' are not tsnet's. */
  async #sweepNetwork(context: DriverContext, network: NetworkRecord): Promise<void> {
    try {
      const list = this.#listOf(network)
      const live = this.#attachments.list().map(({ attachment }) => attachment)
      const isOurs = (owner: string): boolean => owner.startsWith(`${context.mark}.`)
      const removed = sweepHostLocal(
        list,
        (owner, name) =>
          isOurs(owner) &&
          !live.some(({ containerId, interfaceName }) => containerId === owner && interfaceName === name),
      )
      if (removed.length > 0) context.log.info({ network: network.name, removed }, 'removed left-over leases')
      const use = await this.#use(context, list)
      const others = attachmentsOfOthers(list.name).filter(({ containerId }) => !isOurs(containerId))
      const valid = this.#attachments.list().filter((record) => record.use.list.name === list.name)
      const attachments = [...valid.map(({ attachment }) => attachment), ...others]
      await collectGarbage(use, attachments, this.#options(context))
    } catch (error) {
      const what = { network: network.name, why: errorMessage(error) }
      context.log.warn(what, 'what CNI plugins hold of a network could not be swept')
    }
  }

  async #check(context: DriverContext, { id, use, attachment, result }: AttachmentRecord): Promise<void> {
    try {
      if (result !== null) await checkIn(use, attachment, result, this.#options(context))
    } catch (error) {
      const isGone = this.#attachments.find(id) === undefined
      const what = { network: use.list.name, container: attachment.containerId, why: errorMessage(error) }
      if (!isGone) context.log.warn(what, 'an attachment by CNI plugins is not as it was made')
    }
  }

  #listOf(network: NetworkSpec): NetworkList {
    return loadNetworkList(this.#places.configurations, parseCniOptions(network).conflist)
  }

  /** A list that leaves no choice needs no question. */
  async #use(context: DriverContext, list: NetworkList): Promise<NetworkInUse> {
    const [only, ...others] = list.versions
    const isClear = only !== undefined && others.length === 0
    return { list, version: isClear ? only : await agreeOnVersion(list, this.#options(context)) }
  }

  #options({ signal }: DriverContext): ChainOptions {
    return { directories: this.#places.programs, deadline, signal }
  }
}

function programsOf({ type, ipam }: PluginConfig): string[] {
  const helper = (ipam as { readonly type?: unknown } | null | undefined)?.type
  return typeof helper === 'string' ? [type, helper] : [type]
}

function isProgram(name: string, directories: readonly string[]): Promise<boolean> {
  return findProgram(name, directories).then(
    () => true,
    () => false,
  )
}

function refuseTaken(sandbox: Sandbox, name: string): void {
  using socket = openRouteSocket(sandbox.netns)
  if (findLink(socket, name) === null) return
  throw new TsnetError(
    'conflict',
    'interface-taken',
    `driver cni: there is an interface ${name} in the container already: give another name`,
  )
}

/** What a plugin has left of an interface in a sandbox that goes on. */
async function removeInterface(sandbox: Sandbox, name: string): Promise<void> {
  using socket = openRouteSocket(sandbox.netns)
  const link = findLink(socket, name)
  if (link !== null) await removeLink(link.index, sandbox.netns)
}
