import { TsnetError } from '../errors.ts'
import type { NetworkRecord } from '../store/records.ts'
import type { Parts } from './parts.ts'
import { PruneGate } from './prune-gate.ts'

/** Of networks that are in use, or were removed by somebody else meanwhile, and of those of a cluster that cannot be asked. */
const harmless: readonly string[] = ['network-in-use', 'no-such-network', 'cluster-away']

/** Removes networks one after the other; one prune at a time. */
export class NetworkPruner {
  readonly #parts: Parts
  readonly #remove: (network: NetworkRecord) => Promise<void>
  readonly #gate = new PruneGate()

  constructor(parts: Parts, remove: (network: NetworkRecord) => Promise<void>) {
    this.#parts = parts
    this.#remove = remove
  }

  /** Returns the names of what was removed. Throws kind 'conflict' while another prune is under way. */
  prune(selected: (network: NetworkRecord) => boolean): Promise<string[]> {
    return this.#gate.run(() => this.#pruneAll(selected))
  }

  async #pruneAll(selected: (network: NetworkRecord) => boolean): Promise<string[]> {
    const removed: string[] = []
    for (const network of [...this.#parts.store.networks.values()]) {
      if (network.predefined || network.configuration !== null || !selected(network)) continue
      if (await this.#removeUnused(network)) removed.push(network.name)
    }
    this.#parts.events.emit('network', 'prune', '', { reclaimed: '0' })
    return removed
  }

  /** Whether it was removed: it may be in use, or be removed by somebody else meanwhile. */
  async #removeUnused(network: NetworkRecord): Promise<boolean> {
    try {
      await this.#remove(network)
      return true
    } catch (error) {
      const isHarmless = error instanceof TsnetError && harmless.includes(error.code)
      if (!isHarmless) {
        this.#parts.log.warn({ err: error, network: network.name }, 'a network could not be pruned')
      }
      return false
    }
  }
}
