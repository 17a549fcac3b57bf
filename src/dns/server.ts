/** The name service: 127.0.0.11 in every sandbox, all served by this process from one registry and one cache. */

import { errorMessage, TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Fd } from '../sys/fd.ts'
import { duplicateNetns } from '../sys/netns.ts'
import type { EndpointId, NetworkId } from '../values/id.ts'
import { addCounters, createCounters, type QueryCounters } from './counters.ts'
import { Forwarder } from './forward.ts'
import { answerHost } from './host-names.ts'
import { type Listener, listenInside, listenOnHost, type Reply } from './listener.ts'
import { type EndpointNames, NameRegistry } from './names.ts'
import { Resolver, type ResolverOptions } from './resolve.ts'

export type { QueryCounters } from './counters.ts'
export type { EndpointNames, NameLink } from './names.ts'
export { type AnswerListener, type ResolverOptions, serversAsked } from './resolve.ts'

/** What the service needs of a sandbox. */
export interface NamedSandbox {
  readonly id: string
  readonly netns: Fd
}

export interface NameServiceOptions {
  readonly log: Logger
  /** Leads port 53 of 127.0.0.11 inside the namespace to these ports; replaces what an earlier call led elsewhere. */
  readonly redirect: (netns: Fd, ports: Listener['ports']) => Promise<void>
  /** Where the redirect leads that an earlier process made, null when that is not known. */
  readonly redirected?: (netns: Fd) => Listener['ports'] | null
  /** Addresses of the host's name servers, asked for at each query that is forwarded to them. */
  readonly upstreams: () => readonly string[]
}

export interface NameService {
  /** Resolves when the sandbox's queries are answered; the loopback interface must be up. An earlier opening ends. */
  open(sandbox: NamedSandbox, options: ResolverOptions): Promise<void>
  /** As `open`, for a sandbox that an earlier process has served: where its redirect leads is listened again. */
  adopt(sandbox: NamedSandbox, options: ResolverOptions): Promise<void>
  /** Throws kind 'not-found' for a sandbox that is not open. */
  update(sandboxId: string, options: ResolverOptions): void
  /** Safe to repeat. */
  close(sandboxId: string): void
  /** Replaces what was known of the endpoint. `networkName` is the suffix under which its names are found as well. */
  setEndpoint(network: NetworkId, networkName: string, endpoint: EndpointId, known: EndpointNames): void
  /** Safe to repeat. */
  removeEndpoint(network: NetworkId, endpoint: EndpointId): void
  /**
   * Answers `<container>.<network>.tsnet` on port 53 of an address of the host, which may come later, for its own resolver to
   * ask. Throws kind 'unavailable' when another has it.
   */
  serveHost(address: string): Promise<void>
  /** What became of each open sandbox's queries, by the sandbox's id. */
  stats(): ReadonlyMap<string, QueryCounters>
  /** Of all sandboxes that there have been since the daemon's start. */
  total(): QueryCounters
  /** Forgets what the host's servers have said: they have changed, or what they know. */
  forgetAnswers(): void
  /** Closes every sandbox's sockets and those to the upstream servers. */
  stop(): void
}

export function createNameService(options: NameServiceOptions): NameService {
  return new LocalNameService(options)
}

/** What is kept of answers: of the host's servers for all sandboxes together, of a container's own for it alone. */
const cacheBytes = { host: 8 * 2 ** 20, sandbox: 2 ** 19 } as const

interface OpenSandbox {
  readonly resolver: Resolver
  readonly listener: Listener
  readonly inside: Forwarder
  readonly netns: Fd
}

class LocalNameService implements NameService {
  readonly #options: NameServiceOptions
  readonly #names = new NameRegistry()
  readonly #host = new Forwarder(null, cacheBytes.host)
  readonly #open = new Map<string, OpenSandbox>()
  /** Of sandboxes that are closed. */
  readonly #past = createCounters()
  #forHost: Listener | null = null

  constructor(options: NameServiceOptions) {
    this.#options = options
  }

  open(sandbox: NamedSandbox, options: ResolverOptions): Promise<void> {
    return this.#serve(sandbox, options, null)
  }

  async adopt(sandbox: NamedSandbox, options: ResolverOptions): Promise<void> {
    const ports = this.#options.redirected?.(sandbox.netns) ?? null
    try {
      await this.#serve(sandbox, options, ports)
    } catch (error) {
      // The container may have taken a port that nobody listened at.
      if (ports === null) throw error
      await this.#serve(sandbox, options, null)
    }
  }

  /** At `ports`, to which the redirect leads already, or at new ones. */
  async #serve(
    sandbox: NamedSandbox,
    options: ResolverOptions,
    ports: Listener['ports'] | null,
  ): Promise<void> {
    this.close(sandbox.id)
    await using undo = new AsyncDisposableStack()
    const netns = undo.use(duplicateNetns(sandbox.netns))
    const inside = new Forwarder(netns, cacheBytes.sandbox)
    undo.defer(() => inside.close())
    const resolver = new Resolver(sandbox.id, options, {
      names: this.#names,
      host: this.#host,
      inside,
      hostServers: this.#options.upstreams,
    })
    const listener = await listenInside(
      sandbox.netns,
      (bytes, transport) => this.#answer(sandbox.id, () => resolver.answer(bytes, transport)),
      ...(ports === null ? [] : [ports]),
    )
    undo.defer(() => listener.close())
    if (ports === null) await this.#options.redirect(sandbox.netns, listener.ports)
    this.#open.set(sandbox.id, { resolver, listener, inside, netns })
    undo.move()
  }

  update(sandboxId: string, options: ResolverOptions): void {
    const open = this.#open.get(sandboxId)
    if (open === undefined) {
      throw new TsnetError('not-found', 'no-name-service', `name service of sandbox ${sandboxId} is not open`)
    }
    open.resolver.options = options
  }

  close(sandboxId: string): void {
    const open = this.#open.get(sandboxId)
    if (open === undefined) return
    this.#open.delete(sandboxId)
    addCounters(this.#past, open.resolver.counters)
    open.listener.close()
    open.inside.close()
    open.netns.close()
  }

  setEndpoint(network: NetworkId, networkName: string, endpoint: EndpointId, known: EndpointNames): void {
    this.#names.setEndpoint(network, networkName, endpoint, known)
  }

  removeEndpoint(network: NetworkId, endpoint: EndpointId): void {
    this.#names.removeEndpoint(network, endpoint)
  }

  stop(): void {
    for (const id of [...this.#open.keys()]) this.close(id)
    this.#forHost?.close()
    this.#host.close()
  }

  async serveHost(address: string): Promise<void> {
    this.#forHost = await listenOnHost(address, (bytes, transport) =>
      this.#answer('the host', () => answerHost(this.#names, bytes, transport)),
    )
  }

  stats(): ReadonlyMap<string, QueryCounters> {
    return new Map([...this.#open].map(([id, { resolver }]) => [id, resolver.counters]))
  }

  total(): QueryCounters {
    const sum = { ...this.#past }
    for (const { resolver } of this.#open.values()) addCounters(sum, resolver.counters)
    return sum
  }

  forgetAnswers(): void {
    this.#host.forget()
  }

  /** Nothing that a client sends may end the daemon. */
  #answer(client: string, answer: () => Reply): Reply {
    try {
      const reply = answer()
      return reply instanceof Promise ? reply.catch((error) => this.#fail(client, error)) : reply
    } catch (error) {
      return this.#fail(client, error)
    }
  }

  #fail(client: string, error: unknown): null {
    this.#options.log.error({ client, error: errorMessage(error) }, 'name query failed')
    return null
  }
}
