/** What one sandbox sees: its networks' names first, then, where allowed, the world. */
import type { NetworkId } from '../values/id.ts'
import type { Forwarder } from './forward.ts'
import {
  addressRecord,
  fitToClient,
  isInternet,
  pointerRecord,
  type Query,
  receive,
  reply,
} from './message.ts'
import type { NameRegistry } from './names.ts'
import { addressOfReverseName } from './reverse-name.ts'
import { rcode, recordType } from './wire.ts'

export interface ResolverOptions {
  /** Where names are looked up, in this order. */
  readonly networks: readonly NetworkId[]
  /** The container's own servers; empty for the host's. */
  readonly upstreams: readonly string[]
  /** False keeps every query inside, as internal networks want it. */
  readonly forward: boolean
}

/**
 * Seconds. Addresses move when containers are replaced, so caches in containers may keep them for a moment only; not 0,
 * which some clients read as "never ask again" and others as "ask for each packet".
 */
const ttl = 5
/** Queries of one sandbox on their way to upstream servers; one container must not use up what all share. */
const maxForwarded = 4096
/** Our own address asked from the host would lead nowhere. */
const ownAddress = '127.0.0.11'

export class Resolver {
  options: ResolverOptions
  readonly #names: NameRegistry
  readonly #forwarder: Forwarder
  readonly #hostServers: () => readonly string[]
  #forwarded = 0

  constructor(
    options: ResolverOptions,
    names: NameRegistry,
    forwarder: Forwarder,
    hostServers: () => readonly string[],
  ) {
    this.options = options
    this.#names = names
    this.#forwarder = forwarder
    this.#hostServers = hostServers
  }

  /** The message to send back for what a client sent, or null for silence. */
  async answer(bytes: Buffer, transport: 'udp' | 'tcp'): Promise<Buffer | null> {
    const received = receive(bytes)
    if ('refusal' in received) return received.refusal
    const { query } = received
    return fitToClient(query, this.#ownAnswer(query) ?? (await this.#forward(query)), transport)
  }

  /**
   * Names of ours are never forwarded. What they have no records for is "no data", never "no such name": musl takes the
   * latter for all types.
   */
  #ownAnswer(query: Query): Buffer | null {
    if (!isInternet(query)) return null
    const address = addressOfReverseName(query.name)
    return address === null ? this.#addresses(query) : this.#pointer(query, address)
  }

  #addresses(query: Query): Buffer | null {
    const found = this.#names.lookup(this.options.networks, query.name)
    if (found === null) return null
    const wants = (type: number) => query.type === type || query.type === recordType.ANY
    const addresses = [
      ...(wants(recordType.A) ? shuffled(found.ipv4) : []),
      ...(wants(recordType.AAAA) ? shuffled(found.ipv6) : []),
    ]
    return reply(
      query,
      rcode.NOERROR,
      addresses.map((address) => addressRecord(address, ttl)),
    )
  }

  #pointer(query: Query, address: string): Buffer | null {
    const name = this.#names.reverse(this.options.networks, address)
    if (name === null) return null
    const isWanted = query.type === recordType.PTR || query.type === recordType.ANY
    return reply(query, rcode.NOERROR, isWanted ? [pointerRecord(name, ttl)] : [])
  }

  /** SERVFAIL where nobody can be asked, as in Docker: that the name does not exist is more than we know. */
  async #forward(query: Query): Promise<Buffer> {
    const servers = this.options.forward ? this.#servers() : []
    if (servers.length === 0) return reply(query, rcode.SERVFAIL)
    if (this.#forwarded >= maxForwarded) return reply(query, rcode.REFUSED)
    this.#forwarded++
    try {
      return (await this.#forwarder.resolve(query, servers)) ?? reply(query, rcode.SERVFAIL)
    } finally {
      this.#forwarded--
    }
  }

  #servers(): readonly string[] {
    const { upstreams } = this.options
    return upstreams.length === 0 ? this.#hostServers() : upstreams.filter((server) => server !== ownAddress)
  }
}

/** In random order, so that clients which take the first address spread over all. */
function shuffled(addresses: readonly string[]): string[] {
  const copy = [...addresses]
  for (let last = copy.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1))
    const moved = copy[last]!
    copy[last] = copy[other]!
    copy[other] = moved
  }
  return copy
}
