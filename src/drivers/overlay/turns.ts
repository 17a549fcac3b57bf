/** What takes several steps, one at a time for each network. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  async run<T>(network: string, body: () => Promise<T>): Promise<T> {
    const before = this.#last.get(network)
    const own = before === undefined ? body() : before.then(body)
    const settled = own.catch(() => {})
    this.#last.set(network, settled)
    try {
      return await own
    } finally {
      if (this.#last.get(network) === settled) this.#last.delete(network)
    }
  }
}
