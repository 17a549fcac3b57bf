/** Questions on their way: each round the servers until one answers, all have refused, or the time is over. */
import { isFailure, withoutOpt } from './answer.ts'
import type { Query } from './message.ts'
import type { Asked } from './udp-client.ts'
import type { Upstream } from './upstream.ts'

/** milliseconds of silence after which the next server is asked as well; the first may still answer */
const patience = 1000
/** milliseconds: below the 5 seconds after which libc asks again */
const deadline = 4500
/** milliseconds between looks at who has waited too long: one timer for all, where one for each would cost as much as the rest */
const tick = 50

/** Told once: the first useful answer of a question's servers, or null when none came. */
export type Finish = (answer: Buffer | null) => void

export class Lookups {
  readonly #running = new Set<Lookup>()
  #timer: NodeJS.Timeout | null = null

  start(query: Query, servers: readonly Upstream[], onEnd: Finish): void {
    const lookup: Lookup = new Lookup(query, servers, (answer) => {
      this.#running.delete(lookup)
      onEnd(answer)
    })
    this.#running.add(lookup)
    lookup.begin()
    this.#timer ??= setTimeout(() => this.#look(), tick)
  }

  /** Ends all of them without an answer. */
  end(): void {
    for (const lookup of this.#running) lookup.finish(null)
  }

  #look(): void {
    const now = performance.now()
    for (const lookup of this.#running) lookup.look(now)
    this.#timer = this.#running.size === 0 ? null : setTimeout(() => this.#look(), tick)
  }
}

class Lookup {
  readonly #query: Query
  readonly #onEnd: Finish
  readonly #asked: Asked[] = []
  readonly #end = performance.now() + deadline
  #servers: readonly Upstream[]
  #server: Upstream | null = null
  #turn = 0
  #nextAt = 0
  #isOver = false

  constructor(query: Query, servers: readonly Upstream[], onEnd: Finish) {
    this.#query = query
    this.#servers = servers
    this.#onEnd = onEnd
  }

  begin(): void {
    this.#askNext()
  }

  /** `now` in milliseconds of the monotonic clock. */
  look(now: number): void {
    if (now >= this.#end) {
      this.finish(null)
    } else if (now >= this.#nextAt) {
      this.#server?.noteSilence()
      this.#askNext()
    }
  }

  finish(answer: Buffer | null): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const asked of this.#asked) asked.cancel()
    this.#onEnd(answer)
  }

  #askNext(): void {
    const server = this.#servers[this.#turn++ % this.#servers.length]
    if (server === undefined) {
      this.finish(null)
      return
    }
    this.#server = server
    this.#nextAt = performance.now() + patience
    this.#asked.push(server.ask(this.#query, (answer) => this.#hear(server, answer)))
  }

  #hear(server: Upstream, answer: Buffer | null): void {
    if (this.#isOver) return
    const useful = answer === null ? null : usefulPart(answer)
    if (useful !== null) {
      this.finish(useful)
      return
    }
    this.#servers = this.#servers.filter((other) => other !== server)
    this.#askNext()
  }
}

/** What is passed on of an answer; null when the server refuses, fails or sends what cannot be read. */
function usefulPart(answer: Buffer): Buffer | null {
  try {
    return isFailure(answer) ? null : withoutOpt(answer)
  } catch {
    return null
  }
}
