import { hrtime } from 'node:process'
import type { EngineEvent } from './engine.ts'

type Listener = (event: EngineEvent) => void

const startOfClock = BigInt(Date.now()) * 1_000_000n - hrtime.bigint()

/** How many events are kept, as Docker does. */
const remembered = 256

/** Tells whoever listens what has happened. Listeners are called in turn, synchronously, and must not throw. */
export class Events {
  readonly #listeners = new Set<Listener>()
  readonly #past: EngineEvent[] = []

  emit(
    type: EngineEvent['type'],
    action: string,
    id: string,
    attributes: EngineEvent['attributes'] = {},
  ): void {
    const event: EngineEvent = { type, action, id, attributes, time: startOfClock + hrtime.bigint() }
    this.#past.push(event)
    if (this.#past.length > remembered) this.#past.shift()
    for (const listener of this.#listeners) listener(event)
  }

  /** The last ones since the daemon's start, oldest first. */
  get past(): readonly EngineEvent[] {
    return this.#past
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
