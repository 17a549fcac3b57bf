import { hrtime } from 'node:process'
import type { EngineEvent } from './engine.ts'

type Listener = (event: EngineEvent) => void

const startOfClock = BigInt(Date.now()) * 1_000_000n - hrtime.bigint()

/** Tells whoever listens what has happened. Listeners are called in turn, synchronously, and must not throw. */
export class Events {
  readonly #listeners = new Set<Listener>()

  emit(
    type: EngineEvent['type'],
    action: string,
    id: string,
    attributes: EngineEvent['attributes'] = {},
  ): void {
    const event: EngineEvent = { type, action, id, attributes, time: startOfClock + hrtime.bigint() }
    for (const listener of this.#listeners) listener(event)
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
