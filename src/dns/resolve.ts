/** What one sandbox sees: its networks' names first, then, where allowed, the world. */
import type { NetworkId } from '../values/id.ts'
import { addressesIn } from './answer.ts'
import { createCounters, type QueryCounters } from './counters.ts'
import type { Forwarder } from './forward.ts'
import type { Reply, Transport } from './listener.ts'
import { addressTo, fitToClient, isInternet, type Query, receive, reply } from './message.ts'
import type { NameLink, NameRegistry } from './names.ts'
import { replyWithAddresses, replyWithName } from './own-answer.ts'
import { addressOfReverseName } from './reverse-name.ts'
import { rcode, recordType } from './wire.ts'

export interface ResolverOptions {
  /** Where names are looked up, in this order. */
  readonly networks: readonly NetworkId[]
  /** Names that this sandbox alone knows, before all others. */
  readonly links: readonly NameLink[]
  /** The container's own servers, asked from its own namespace; empty for the host's, asked from the host's. */
  readonly upstreams: readonly string[]
  /** False asks no servers of the host, as internal networks want it. Its own ones are reached only where it may go itself. */
  readonly forward: boolean
  /** False answers names without a dot as having no data, so that the client goes on with its search list. */
  readonly forwardBareNames: boolean
  /** Which names, in lower case, are looked up outside: of others it is said that there are none. Null for all. */
  readonly allows: ((name: string) => boolean) | null
  /** Told of every address that the sandbox gets to know. */
  readonly onAnswer: AnswerListener | null
}

/**
 * Hears of the addresses that answer a sandbox's query, its neighbours' too, before the answer is sent: `name` in lower
 * case as it was asked for, `ttl` in seconds. The answer waits for the promise; when that rejects it is not sent, and the
 * client asks again.
 */
export type AnswerListener = (
  sandboxId: string,
  name: string,
  addresses: readonly string[],
  ttl: number,
) => Promise<void> | void

/**
 * Queries on their way to upstream servers: the most of one sandbox, the number of all beyond which that is too much,
 * and what one may have on its way even then. One container must not use up what all share.
 */
const limits = { perSandbox: 4096, crowd: 16_384, inCrowd: 64 } as const
/** Our own address asked from the host would lead nowhere. */
const ownAddress = '127.0.0.11'

/** What a resolver asks. */
export interface Sources {
  readonly names: NameRegistry
  /** Asks from the host's namespace. */
  readonly host: Forwarder
  /** Asks from the sandbox's. */
  readonly inside: Forwarder
  readonly hostServers: () => readonly string[]
}

export class Resolver {
  readonly #sandboxId: string
  readonly #sources: Sources
  readonly #counters = createCounters()
  #options: ResolverOptions
  #upstreams: readonly string[]
  #onTheWay = 0

  constructor(sandboxId: string, options: ResolverOptions, sources: Sources) {
    this.#sandboxId = sandboxId
    this.#options = options
    this.#upstreams = reachable(options.upstreams)
    this.#sources = sources
  }

  set options(options: ResolverOptions) {
    this.#options = options
    this.#upstreams = reachable(options.upstreams)
  }

  get counters(): QueryCounters {
    return { ...this.#counters }
  }

  /** The message to send back for what a client sent, or null for silence: at once where nobody has to be waited for. */
  answer(bytes: Buffer, transport: Transport): Reply {
    this.#counters.queries++
    const received = receive(bytes)
    if ('refusal' in received) return received.refusal
    const { query } = received
    const message = this.#ownAnswer(query) ?? this.#outerAnswer(query)
    return message === null ? this.#ask(query, transport) : this.#send(query, message, transport)
  }

  #send(query: Query, message: Buffer, transport: Transport): Reply {
    const reported = this.#report(query, message)
    if (reported === undefined) return fitToClient(query, message, transport)
    return reported.then(() => fitToClient(query, message, transport))
  }

  #report(query: Query, message: Buffer): Promise<void> | void {
    const { onAnswer } = this.#options
    const found = onAnswer === null ? null : addressesIn(message)
    if (found !== null) return onAnswer?.(this.#sandboxId, query.name, found.addresses, found.ttl)
  }

  /**
   * Names of ours are never forwarded. What they have no records for is "no data", never "no such name": musl takes the
   * latter for all types.
   */
  #ownAnswer(query: Query): Buffer | null {
    if (!isInternet(query)) return null
    const address = addressOfReverseName(query.name)
    const answer = address === null ? this.#addresses(query) : this.#pointer(query, address)
    if (answer !== null) this.#counters.own++
    return answer
  }

  #addresses(query: Query): Buffer | null {
    const found = this.#sources.names.lookup(this.#options.networks, query.name, this.#options.links)
    return found === null ? null : replyWithAddresses(query, found)
  }

  #pointer(query: Query, address: string): Buffer | null {
    const name = this.#sources.names.reverse(this.#options.networks, address)
    return name === null ? null : replyWithName(query, name)
  }

  /**
   * What can be said of the world without asking it, or null. SERVFAIL where nobody can be asked, as in Docker: that the name does
   * not exist is more than we know.
   */
  #outerAnswer(query: Query): Buffer | null {
    if (!this.#options.forwardBareNames && isBareName(query)) return reply(query, rcode.NOERROR)
    // not REFUSED: on that musl waits for another answer, and no search list goes on
    if (this.#options.allows?.(query.name) === false) return this.#fail(query, rcode.NXDOMAIN)
    const { forwarder, servers } = this.#way()
    const known = forwarder.recall(query, servers)
    if (known !== null) {
      this.#counters.cached++
      return known
    }
    if (servers.length === 0) return this.#fail(query, rcode.SERVFAIL)
    return this.#onTheWay < this.#limit(forwarder) ? null : this.#fail(query, rcode.REFUSED)
  }

  async #ask(query: Query, transport: Transport): Promise<Buffer | null> {
    const { forwarder, servers } = this.#way()
    this.#counters.forwarded++
    this.#onTheWay++
    try {
      const answer = await forwarder.ask(query, servers)
      const message = answer === null ? this.#fail(query, rcode.SERVFAIL) : addressTo(query, answer)
      return await this.#send(query, message, transport)
    } finally {
      this.#onTheWay--
    }
  }

  #fail(query: Query, code: number): Buffer {
    this.#counters.failed++
    return reply(query, code)
  }

  #limit(forwarder: Forwarder): number {
    return forwarder.waiting < limits.crowd ? limits.perSandbox : limits.inCrowd
  }

  /** Whom to ask, and from where. */
  #way(): { forwarder: Forwarder; servers: readonly string[] } {
    const { inside, host, hostServers } = this.#sources
    if (this.#upstreams.length > 0) return { forwarder: inside, servers: this.#upstreams }
    return { forwarder: host, servers: serversAsked(this.#options, hostServers()) }
  }
}

/** Whom a sandbox's questions about the world go to: its own servers, else the host's if it may ask those, else nobody. */
export function serversAsked(
  { upstreams, forward }: Pick<ResolverOptions, 'upstreams' | 'forward'>,
  hostServers: readonly string[],
): readonly string[] {
  const own = reachable(upstreams)
  return own.length === 0 && forward ? hostServers : own
}

function reachable(servers: readonly string[]): readonly string[] {
  return servers.filter((server) => server !== ownAddress)
}

/** Other types than addresses are not completed by search lists. */
function isBareName(query: Query): boolean {
  return !query.name.includes('.') && (query.type === recordType.A || query.type === recordType.AAAA)
}
