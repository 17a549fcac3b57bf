/**
 * Lets work through in the order in which it came, some at a time: of many starts at once each takes its turn and is done, where
 * all of them at the same time would share the processors and all be late.
 */
export class Gate {
  readonly #width: number
  readonly #patience: number
  readonly #waiting: (() => void)[] = []
  #inside = 0

  /** `width` at a time; what takes longer than `patience` ms keeps nobody waiting any more. */
  constructor(width: number, patience: number) {
    this.#width = width
    this.#patience = patience
  }

  async pass<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#inside < this.#width) this.#inside++
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    const turn = Promise.withResolvers<void>()
    void turn.promise.then(() => this.#letNext())
    const timer = setTimeout(turn.resolve, this.#patience)
    try {
      return await work()
    } finally {
      clearTimeout(timer)
      turn.resolve()
    }
  }

  /** Hands the place over, so that nobody who comes now takes it first. */
  #letNext(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#inside--
    else next()
  }
}
