/** Asks upstream servers from one network namespace: one cache, and one query on the way for each question. */
import type { Fd } from '../sys/fd.ts'
import { AnswerCache } from './cache.ts'
import { Lookups } from './lookup.ts'
import { addressTo, type Query } from './message.ts'
import { maxServers } from './resolv-conf.ts'
import { Upstream } from './upstream.ts'

export class Forwarder {
  readonly #upstreams = new Map<string, Upstream>()
  readonly #netns: Fd | null
  readonly #cache: AnswerCache
  readonly #lookups = new Lookups()
  readonly #onTheWay = new Map<string, Promise<Buffer | null>>()

  /** The servers are asked from `netns`, or from the daemon's own namespace. Answers are kept in `cacheBytes`. */
  constructor(netns: Fd | null, cacheBytes: number) {
    this.#netns = netns
    this.#cache = new AnswerCache(cacheBytes)
  }

  /** Questions on their way. */
  get waiting(): number {
    return this.#onTheWay.size
  }

  /** What these servers have said before, made out to the client, or null. */
  recall(query: Query, servers: readonly string[]): Buffer | null {
    const answer = this.#cache.get(keyOf(query, servers), performance.now())
    return answer === null ? null : addressTo(query, answer)
  }

  /**
   * The first useful answer of these servers, made out to nobody yet, or null when none came. A query that comes round
   * to us again while it is on its way waits for itself, so that a loop of forwarders ends at the deadline.
   */
  ask(query: Query, servers: readonly string[]): Promise<Buffer | null> {
    const key = keyOf(query, servers)
    const known = this.#onTheWay.get(key)
    if (known !== undefined) return known
    const { promise, resolve } = Promise.withResolvers<Buffer | null>()
    this.#onTheWay.set(key, promise)
    this.#lookups.start(query, this.#inOrder(servers), (answer) => {
      this.#onTheWay.delete(key)
      if (answer !== null) this.#cache.put(key, answer, performance.now())
      resolve(answer)
    })
    return promise
  }

  /** Forgets answers, e.g. because the servers may know better now. */
  forget(): void {
    this.#cache.clear()
  }

  /** Who still waits gets no answer. */
  close(): void {
    this.#lookups.end()
    for (const upstream of this.#upstreams.values()) upstream.close()
    this.#upstreams.clear()
  }

  /** The servers as given, those behind that kept silent lately. */
  #inOrder(servers: readonly string[]): Upstream[] {
    const upstreams = servers.slice(0, maxServers).map((address) => this.#upstream(address))
    if (upstreams.length < 2) return upstreams
    return upstreams.sort((a, b) => Number(a.isSilent) - Number(b.isSilent))
  }

  #upstream(address: string): Upstream {
    const upstream = this.#upstreams.get(address) ?? new Upstream(address, this.#netns)
    this.#upstreams.set(address, upstream)
    return upstream
  }
}

function keyOf(query: Query, servers: readonly string[]): string {
  return `${servers.join()} ${query.key}`
}
