import { TsnetError } from '../errors.ts'

/** One prune of a kind at a time. */
export class PruneGate {
  #running = false

  /** Throws kind 'conflict' while another one is under way. */
  async run<T>(body: () => Promise<T>): Promise<T> {
    if (this.#running) {
      throw new TsnetError('conflict', 'prune-running', 'a prune operation is already running')
    }
    this.#running = true
    try {
      return await body()
    } finally {
      this.#running = false
    }
  }
}
