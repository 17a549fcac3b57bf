/** Answers other hosts of the cluster that want to know how a network is found from here. */
import { verificationKey, verifiedKey } from '../cluster/keys.ts'
import type { NetworkRecord } from '../store/records.ts'
import type { VerifiedRow } from './engine.ts'
import type { Parts } from './parts.ts'
import { clusterOf } from './shared-networks.ts'
import { makeRow } from './verified-row.ts'

/** For as long as this host has endpoints on the network. */
export class Verifier implements Disposable {
  readonly #parts: Parts
  readonly #network: NetworkRecord
  readonly #undo = new DisposableStack()
  #running: Promise<VerifiedRow> | null = null
  #next: Promise<VerifiedRow> | null = null

  constructor(parts: Parts, network: NetworkRecord) {
    this.#parts = parts
    this.#network = network
    const { state } = clusterOf(parts)
    const questions = this.#undo.use(state.mirror(verificationKey(network.id, '')))
    const isAsked = (id: string): boolean => questions.values.has(id)
    this.#undo.use(
      questions.subscribe((changes) => {
        for (const { key, before, value } of changes) {
          if (value === undefined) state.release(this.#keyOf(key))
          else if (before === undefined && value !== state.self.name) void this.#answer(key, isAsked)
        }
      }),
    )
    this.#undo.defer(() => {
      for (const id of questions.values.keys()) state.release(this.#keyOf(id))
    })
  }

  #keyOf(id: string): string {
    return verifiedKey(this.#network.id, id, clusterOf(this.#parts).state.self.name)
  }

  async #answer(id: string, isAsked: (id: string) => boolean): Promise<void> {
    const row = await this.look()
    const { state } = clusterOf(this.#parts)
    if (isAsked(id) && !this.#undo.disposed)
      state.holdLater(this.#keyOf(id), `${row.node} ${JSON.stringify(row)}`)
  }

  /** Looks at the network as it is from now on: who asks while a look is under way shares the next one. */
  look(): Promise<VerifiedRow> {
    this.#next ??= this.#lookAfter(this.#running)
    return this.#next
  }

  async #lookAfter(before: Promise<unknown> | null): Promise<VerifiedRow> {
    await before
    this.#running = this.#next
    this.#next = null
    return await makeRow(this.#parts, this.#network)
  }

  [Symbol.dispose](): void {
    this.#undo.dispose()
  }
}
