/** One change at a time for each subject, in order of arrival; different subjects do not wait for each other. */
export class Locks {
  readonly #tails = new Map<string, Promise<unknown>>()

  async run<T>(subject: string, body: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(subject) ?? Promise.resolve()
    const turn = before.then(body)
    // A failure is its caller's affair; who comes next does not hear of it.
    const tail = turn.catch(() => {})
    this.#tails.set(subject, tail)
    try {
      return await turn
    } finally {
      if (this.#tails.get(subject) === tail) this.#tails.delete(subject)
    }
  }

  /** Waits for all of them, each caller in the same order, so that no two wait for each other. */
  runAll<T>(subjects: readonly string[], body: () => Promise<T>): Promise<T> {
    const sorted = [...new Set(subjects)].sort()
    return sorted.reduceRight((inner, subject) => () => this.run(subject, inner), body)()
  }
}
