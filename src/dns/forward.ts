/** Asks upstream servers from one network namespace: one cache, and one query on the way for each question. */
import type { Fd } from '../sys/fd.ts'
import { isFailure, withoutOpt } from './answer.ts'
import { AnswerCache } from './cache.ts'
import { addressTo, type Query } from './message.ts'
import { maxServers } from './resolv-conf.ts'
import { Upstream } from './upstream.ts'

/** milliseconds of silence after which the next server is asked as well; the first may still answer */
const patience = 1000
/** milliseconds: below the 5 seconds after which libc asks again */
const deadline = 4500

export class Forwarder {
  readonly #upstreams = new Map<string, Upstream>()
  readonly #netns: Fd | null
  readonly #cache: AnswerCache
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
   * The first useful answer of these servers, made out to the client, or null when none came. A query that comes round
   * to us again while it is on its way waits for itself, so that a loop of forwarders ends at the deadline.
   */
  async ask(query: Query, servers: readonly string[]): Promise<Buffer | null> {
    const answer = await this.#share(keyOf(query, servers), query, servers)
    return answer === null ? null : addressTo(query, answer)
  }

  /** Forgets answers, e.g. because the servers may know better now. */
  forget(): void {
    this.#cache.clear()
  }

  close(): void {
    for (const upstream of this.#upstreams.values()) upstream.close()
    this.#upstreams.clear()
  }

  #share(key: string, query: Query, servers: readonly string[]): Promise<Buffer | null> {
    const known = this.#onTheWay.get(key)
    if (known !== undefined) return known
    const lookup = this.#lookUp(key, query, servers).finally(() => this.#onTheWay.delete(key))
    this.#onTheWay.set(key, lookup)
    return lookup
  }

  async #lookUp(key: string, query: Query, servers: readonly string[]): Promise<Buffer | null> {
    const answer = await new Lookup(query, this.#inOrder(servers)).result
    if (answer !== null) this.#cache.put(key, answer, performance.now())
    return answer
  }

  /** The servers as given, those behind that kept silent lately. */
  #inOrder(servers: readonly string[]): Upstream[] {
    const upstreams = servers.slice(0, maxServers).map((address) => this.#upstream(address))
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

/** Made once: an error of its own for each question would cost more than the rest. */
const over = new Error('the question is answered')

/** One question on its way: round the servers until one answers, all have refused, or the time is over. */
class Lookup {
  readonly result: Promise<Buffer | null>
  readonly #query: Query
  readonly #finish: (answer: Buffer | null) => void
  readonly #stop = new AbortController()
  #servers: readonly Upstream[]
  #turn = 0
  #next: NodeJS.Timeout | undefined

  constructor(query: Query, servers: readonly Upstream[]) {
    this.#query = query
    this.#servers = servers
    const { promise, resolve } = Promise.withResolvers<Buffer | null>()
    const end = setTimeout(resolve, deadline, null)
    this.#finish = resolve
    this.result = promise.finally(() => {
      clearTimeout(end)
      clearTimeout(this.#next)
      this.#stop.abort(over)
    })
    this.#askNext()
  }

  #askNext(): void {
    clearTimeout(this.#next)
    const server = this.#servers[this.#turn++ % this.#servers.length]
    if (server === undefined) {
      this.#finish(null)
      return
    }
    void this.#ask(server)
    this.#next = setTimeout(() => {
      server.noteSilence()
      this.#askNext()
    }, patience)
  }

  async #ask(server: Upstream): Promise<void> {
    const answer = await this.#usefulAnswer(server)
    if (answer !== null) {
      this.#finish(answer)
    } else if (!this.#stop.signal.aborted) {
      this.#servers = this.#servers.filter((other) => other !== server)
      this.#askNext()
    }
  }

  /** Null when the server is unreachable, refuses, fails or sends what cannot be read, or when the lookup is over. */
  async #usefulAnswer(server: Upstream): Promise<Buffer | null> {
    try {
      const answer = await server.ask(this.#query, this.#stop.signal)
      return isFailure(answer) ? null : withoutOpt(answer)
    } catch {
      return null
    }
  }
}
