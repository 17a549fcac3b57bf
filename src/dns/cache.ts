/** Answers of upstream servers, kept for as long as their records live (RFC 1035, RFC 2308). */
import { aged, lifetime } from './answer.ts'

/** Bytes, an allowance for what an entry costs besides its message and key. */
const entryOverhead = 256

interface Entry {
  readonly message: Buffer
  /** milliseconds of the monotonic clock */
  readonly storedAt: number
  readonly expiresAt: number
  /** Whether it was asked for since it was last in danger of being dropped. */
  isUsed: boolean
}

export class AnswerCache {
  readonly #entries = new Map<string, Entry>()
  readonly #maxBytes: number
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** The message with its TTLs counted down, or null. */
  get(key: string, now: number): Buffer | null {
    const entry = this.#entries.get(key)
    if (entry === undefined) return null
    if (now >= entry.expiresAt) {
      this.#delete(key, entry)
      return null
    }
    entry.isUsed = true
    return aged(entry.message, Math.floor((now - entry.storedAt) / 1000))
  }

  /** Keeps the message if its records allow it. */
  put(key: string, message: Buffer, now: number): void {
    const seconds = lifetime(message)
    if (seconds === 0) return
    const known = this.#entries.get(key)
    if (known !== undefined) this.#delete(key, known)
    this.#insert(key, { message, storedAt: now, expiresAt: now + seconds * 1000, isUsed: false })
    this.#evict()
  }

  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
  }

  get bytes(): number {
    return this.#bytes
  }

  /**
   * A map keeps its order of insertion: the oldest entry comes first. One that was used goes to the end for another
   * round, so that a flood of names asked for once does not wash out what is in use.
   */
  #evict(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) return
      this.#delete(key, entry)
      if (entry.isUsed) this.#insert(key, { ...entry, isUsed: false })
    }
  }

  #insert(key: string, entry: Entry): void {
    this.#entries.set(key, entry)
    this.#bytes += cost(key, entry)
  }

  #delete(key: string, entry: Entry): void {
    this.#entries.delete(key)
    this.#bytes -= cost(key, entry)
  }
}

function cost(key: string, entry: Entry): number {
  return entry.message.length + key.length + entryOverhead
}
