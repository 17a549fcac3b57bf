/**
 * What stands in etcd under this host's lease. What is wanted there is kept here, so that it is put again after the lease was
 * lost, and written as soon as etcd answers.
 */
import type { Logger } from '../log.ts'
import type { LostHolding } from './cluster.ts'
import type { Etcd } from './etcd.ts'
import { isLeaseGone } from './failures.ts'
import { HoldingTransactions, holderOf, type Wish, type Wished } from './holding-transactions.ts'

/** The lease that holdings stand under. */
export interface Lease {
  /** '' while there is none. */
  readonly id: string
  /** Resolves with a lease that was there a moment ago; throws as calls do. */
  need(): Promise<string>
  /** etcd has said that this one is gone. */
  lost(id: string): void
  /** Something went wrong that a look at the lease may explain. */
  doubt(error: unknown): void
}

interface Own {
  readonly value: string
  /** Others may want the key too. */
  readonly isClaim: boolean
}

export class Holdings {
  readonly #etcd: Etcd
  readonly #transactions: HoldingTransactions
  readonly #lease: Lease
  readonly #log: Logger
  readonly #own = new Map<string, Own>()
  readonly #wishes = new Map<string, Wish>()
  /** Keys that a `hold` is at, with its end. */
  readonly #busy = new Map<string, Promise<unknown>>()
  /** Keys that are being written. */
  #written: { readonly keys: ReadonlySet<string>; readonly end: Promise<unknown> } | null = null
  readonly #listeners: ((lost: readonly LostHolding[]) => void)[] = []
  #work: Promise<void> | null = null

  constructor(etcd: Etcd, node: string, lease: Lease, log: Logger) {
    this.#etcd = etcd
    this.#transactions = new HoldingTransactions(etcd, node)
    this.#lease = lease
    this.#log = log
  }

  onLost(listener: (lost: readonly LostHolding[]) => void): void {
    this.#listeners.push(listener)
  }

  /** Puts a key that is nobody else's. */
  tell(key: string, value: string): void {
    this.#own.set(key, { value, isClaim: false })
    this.#wish(key, { kind: 'put', value })
  }

  untell(key: string): void {
    this.#own.delete(key)
    this.#wish(key, { kind: 'remove' })
  }

  holdLater(key: string, value: string): void {
    this.#own.set(key, { value, isClaim: true })
    this.#wish(key, { kind: 'claim', value })
  }

  release(key: string): void {
    const own = this.#own.get(key)
    if (own === undefined) return
    this.#own.delete(key)
    this.#wish(key, { kind: 'give', value: own.value })
  }

  /** Leaves a held key as it stands: it goes with the lease, or to who takes it over. */
  forgo(key: string): void {
    this.#own.delete(key)
    this.#wishes.delete(key)
  }

  /** Gives up all keys that `concerns` knows, whose owner is gone for everybody. */
  forget(concerns: (key: string) => boolean): void {
    for (const [key, { isClaim }] of this.#own) {
      if (!concerns(key)) continue
      if (isClaim) this.release(key)
      else this.untell(key)
    }
  }

  async hold(key: string, value: string): Promise<string> {
    const before = this.#busy.get(key)
    const held = this.#holdAfter(before, key, value)
    const end = held.catch(() => {})
    this.#busy.set(key, end)
    try {
      return await held
    } finally {
      if (this.#busy.get(key) === end) this.#busy.delete(key)
      this.#flushSoon()
    }
  }

  async #holdAfter(before: Promise<unknown> | undefined, key: string, value: string): Promise<string> {
    await before
    while (this.#written?.keys.has(key)) await this.#written.end
    // what was wanted of it before is overtaken
    this.#wishes.delete(key)
    for (;;) {
      let lease = ''
      try {
        lease = await this.#lease.need()
        const standing = await this.#transactions.claim(key, value, lease)
        if (standing !== value) {
          this.#own.delete(key)
          return standing
        }
        this.#keep(key, value)
        if (lease === this.#lease.id) return value
        // else the lease ended meanwhile, and the key with it
      } catch (error) {
        if (isLeaseGone(error)) {
          this.#lease.lost(lease)
          continue
        }
        this.#lease.doubt(error)
        // it may have arrived nevertheless
        const own = this.#own.get(key)
        this.#wishes.set(
          key,
          own === undefined ? { kind: 'give', value } : { kind: 'claim', value: own.value },
        )
        throw error
      }
    }
  }

  /** It is held now, unless it was given back meanwhile. */
  #keep(key: string, value: string): void {
    if (this.#wishes.get(key)?.kind === 'give') return
    this.#wishes.delete(key)
    this.#own.set(key, { value, isClaim: true })
  }

  /** Everything is to be put again: it went with the lease that it stood under. */
  restore(): void {
    for (const [key, { value, isClaim }] of this.#own) {
      if (!this.#wishes.has(key)) this.#wishes.set(key, { kind: isClaim ? 'claim' : 'put', value })
    }
  }

  #wish(key: string, wish: Wish): void {
    this.#wishes.set(key, wish)
    this.#flushSoon()
  }

  /** What is told in one turn goes in one transaction. */
  #flushSoon(): void {
    if (this.#wishes.size === 0 || this.#work !== null || this.#lease.id === '') return
    this.flush().catch((error) => this.#lease.doubt(error))
  }

  /** Writes what is wanted and not yet there. Throws as calls do, and keeps what has not arrived. */
  async flush(): Promise<void> {
    this.#work ??= this.#writeAll()
    await this.#work
  }

  /** As `flush`, after what was under way for another lease. */
  async flushAnew(): Promise<void> {
    await this.#work?.catch(() => {})
    await this.flush()
  }

  /**
   * Removes what stands under the lease since `revision` or longer and is not wanted, as from before a restart, but not `kept`. Throws as
   * calls do.
   */
  async prune(revision: string, kept: string): Promise<void> {
    const lease = this.#lease.id
    const { keys } = await this.#etcd.call('leaseTimeToLive', { ID: lease, keys: true })
    const left = keys
      .map((key) => this.#etcd.name(key))
      .filter((key) => key !== kept && !this.#own.has(key) && !this.#wishes.has(key) && !this.#busy.has(key))
    const work = this.#transactions.removeOlder(left, lease, revision)
    // who wants one of them meanwhile would find it there still
    const end = work.catch(() => {})
    for (const key of left) this.#busy.set(key, end)
    try {
      await work
    } finally {
      for (const key of left) if (this.#busy.get(key) === end) this.#busy.delete(key)
      this.#flushSoon()
    }
  }

  /** Whether nothing is left to be written. */
  get isWritten(): boolean {
    return this.#wishes.size === 0 && this.#work === null
  }

  /** As `flush`, with a lease if one can be had. */
  async settle(): Promise<void> {
    while (this.#work !== null || this.#writable().length > 0) {
      await this.#lease.need()
      await this.flush()
    }
  }

  async #writeAll(): Promise<void> {
    await null
    try {
      for (
        let wishes = this.#writable();
        wishes.length > 0 && this.#lease.id !== '';
        wishes = this.#writable()
      ) {
        await this.#writeTogether(wishes)
      }
    } finally {
      // in the same turn as the last look at the wishes: none may be left behind
      this.#work = null
    }
  }

  async #writeTogether(wishes: readonly Wished[]): Promise<void> {
    for (const [key] of wishes) this.#wishes.delete(key)
    const end = this.#write(wishes)
    this.#written = { keys: new Set(wishes.map(([key]) => key)), end: end.catch(() => {}) }
    await end.finally(() => {
      this.#written = null
    })
  }

  #writable(): Wished[] {
    return [...this.#wishes].filter(([key]) => !this.#busy.has(key))
  }

  async #write(wishes: readonly Wished[]): Promise<void> {
    const lease = this.#lease.id
    const lost: LostHolding[] = []
    const errors = await this.#transactions.write(
      wishes,
      lease,
      (key, value, standing) => {
        if (this.#own.get(key)?.value === value) this.#own.delete(key)
        lost.push({ key, value, holder: holderOf(standing) })
      },
      (unwritten) => {
        for (const [key, wish] of unwritten) if (!this.#wishes.has(key)) this.#wishes.set(key, wish)
      },
    )
    if (lost.length > 0) this.#tellLost(lost)
    if (errors.some(isLeaseGone)) this.#lease.lost(lease)
    if (errors.length > 0) throw errors[0]
  }

  #tellLost(lost: readonly LostHolding[]): void {
    this.#log.warn({ lost }, 'others have taken what this host held in the cluster')
    for (const listener of this.#listeners) {
      try {
        listener(lost)
      } catch (error) {
        this.#log.error({ err: error }, 'what was lost in the cluster could not be given up here')
      }
    }
  }
}
