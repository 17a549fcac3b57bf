/** Work that several requests may want at once. */

/** One piece of work per key: whoever asks while it is under way waits for it. */
export class SharedWork<T> {
  readonly #running = new Map<string, Promise<T>>()

  /**
   * Runs `start`, or waits for the run that another caller has begun. Should that one fail, perhaps only because its
   * caller has gone, this caller tries itself.
   */
  async run(key: string, signal: AbortSignal, start: () => Promise<T>): Promise<T> {
    for (let other = this.#running.get(key); other !== undefined; other = this.#running.get(key)) {
      const outcome = await other.then(
        (value) => ({ value }),
        () => null,
      )
      if (outcome !== null) return outcome.value
      signal.throwIfAborted()
    }
    const mine = start()
    this.#running.set(key, mine)
    try {
      return await mine
    } finally {
      this.#running.delete(key)
    }
  }
}

/** At most so many at a time; the others wait in the order they came. */
export class Slots {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}
