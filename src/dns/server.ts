/** The name service: 127.0.0.11 in every sandbox, all served by this process from one registry and one cache. */

import { errorMessage, TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Fd } from '../sys/fd.ts'
import type { EndpointId, NetworkId } from '../values/id.ts'
import { Forwarder } from './forward.ts'
import { type Listener, listen } from './listener.ts'
import { type EndpointNames, NameRegistry } from './names.ts'
import { Resolver, type ResolverOptions } from './resolve.ts'

export type { EndpointNames } from './names.ts'
export type { ResolverOptions } from './resolve.ts'

/** What the service needs of a sandbox. */
export interface NamedSandbox {
  readonly id: string
  readonly netns: Fd
}

export interface NameServiceOptions {
  readonly log: Logger
  /** Leads port 53 of 127.0.0.11 inside the namespace to these ports; replaces what an earlier call led elsewhere. */
  readonly redirect: (netns: Fd, ports: { readonly udp: number; readonly tcp: number }) => Promise<void>
  /** Addresses of the host's name servers, asked for at each query that is forwarded to them. */
  readonly upstreams: () => readonly string[]
}

export interface NameService {
  /** Resolves when the sandbox's queries are answered; the loopback interface must be up. An earlier opening ends. */
  open(sandbox: NamedSandbox, options: ResolverOptions): Promise<void>
  /** Throws kind 'not-found' for a sandbox that is not open. */
  update(sandboxId: string, options: ResolverOptions): void
  /** Safe to repeat. */
  close(sandboxId: string): void
  /** Replaces what was known of the endpoint. `networkName` is the suffix under which its names are found as well. */
  setEndpoint(network: NetworkId, networkName: string, endpoint: EndpointId, known: EndpointNames): void
  /** Safe to repeat. */
  removeEndpoint(network: NetworkId, endpoint: EndpointId): void
  /** Closes every sandbox's sockets and those to the upstream servers. */
  stop(): void
}

export function createNameService(options: NameServiceOptions): NameService {
  return new LocalNameService(options)
}

class LocalNameService implements NameService {
  readonly #options: NameServiceOptions
  readonly #names = new NameRegistry()
  readonly #forwarder = new Forwarder()
  readonly #open = new Map<string, { readonly resolver: Resolver; readonly listener: Listener }>()

  constructor(options: NameServiceOptions) {
    this.#options = options
  }

  async open(sandbox: NamedSandbox, options: ResolverOptions): Promise<void> {
    this.close(sandbox.id)
    const resolver = new Resolver(options, this.#names, this.#forwarder, this.#options.upstreams)
    const listener = await listen(sandbox.netns, (bytes, transport) =>
      this.#answer(sandbox.id, resolver, bytes, transport),
    )
    try {
      await this.#options.redirect(sandbox.netns, listener.ports)
    } catch (error) {
      listener.close()
      throw error
    }
    this.#open.set(sandbox.id, { resolver, listener })
  }

  update(sandboxId: string, options: ResolverOptions): void {
    const open = this.#open.get(sandboxId)
    if (open === undefined) {
      throw new TsnetError('not-found', 'no-name-service', `name service of sandbox ${sandboxId} is not open`)
    }
    open.resolver.options = options
  }

  close(sandboxId: string): void {
    this.#open.get(sandboxId)?.listener.close()
    this.#open.delete(sandboxId)
  }

  setEndpoint(network: NetworkId, networkName: string, endpoint: EndpointId, known: EndpointNames): void {
    this.#names.setEndpoint(network, networkName, endpoint, known)
  }

  removeEndpoint(network: NetworkId, endpoint: EndpointId): void {
    this.#names.removeEndpoint(network, endpoint)
  }

  stop(): void {
    for (const id of [...this.#open.keys()]) this.close(id)
    this.#forwarder.close()
  }

  /** Nothing that a container sends may end the daemon. */
  async #answer(
    sandboxId: string,
    resolver: Resolver,
    bytes: Buffer,
    transport: 'udp' | 'tcp',
  ): Promise<Buffer | null> {
    try {
      return await resolver.answer(bytes, transport)
    } catch (error) {
      this.#options.log.error({ sandbox: sandboxId, error: errorMessage(error) }, 'name query failed')
      return null
    }
  }
}
