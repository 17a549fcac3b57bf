/**
 * This host's place in the cluster: a lease that is kept alive, the record of the host and all its holdings under it, and what is
 * known of the way to etcd. When the lease was lost everything is put again under a new one.
 */
import { errorKind, errorMessage, TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { ClusterHealth, LeaseKeeper, NodeRecord } from './cluster.ts'
import type { Etcd } from './etcd.ts'
import { isLeaseGone } from './failures.ts'
import { Holdings, type Lease } from './holdings.ts'
import { nodeKey } from './keys.ts'
import { get, isAbsent, isAt, put } from './requests.ts'

/** Between tries while etcd is away or takes nothing, in milliseconds. */
const retryPause = 500

export class Session implements Lease {
  readonly holdings: Holdings
  readonly #etcd: Etcd
  readonly #log: Logger
  readonly #listeners: ((health: ClusterHealth) => void)[] = []
  #self: NodeRecord
  #health: ClusterHealth = { state: 'away', since: new Date().toISOString(), error: 'not yet joined' }
  #id = ''
  /** Until when the lease stands whatever happens, in milliseconds of the monotonic clock. */
  #validUntil = 0
  /** Whether all that was under the last lease is under this one. */
  #isWhole = false
  /** The lease of the daemon before this one, until it is known whether that stands. */
  #former: string
  /** The revision at which this daemon went on with it: what is older is of the one before. '' when it did not. */
  #resumedAt = ''
  readonly #keeper: LeaseKeeper | null
  /** Whether all that this host wants is among the holdings, and what else is there has not been looked for. */
  #isPruneDue = false
  #beating: Promise<void> | null = null
  #next: NodeJS.Timeout | null = null
  #isClosed = false
  /** What the log has since all was well. */
  readonly #said = new Set<string>()

  constructor(etcd: Etcd, self: NodeRecord, log: Logger, keeper: LeaseKeeper | null) {
    this.#etcd = etcd
    this.#keeper = keeper
    this.#former = keeper?.former ?? ''
    this.#self = self
    this.#log = log
    this.holdings = new Holdings(etcd, self.name, this, log)
  }

  get self(): NodeRecord {
    return this.#self
  }

  get health(): ClusterHealth {
    return this.#health
  }

  get id(): string {
    return this.#id
  }

  onHealth(listener: (health: ClusterHealth) => void): void {
    this.#listeners.push(listener)
  }

  describe(change: Partial<NodeRecord>): void {
    this.#self = { ...this.#self, ...change }
    this.holdings.tell(nodeKey(this.#self.name), JSON.stringify(this.#self))
  }

  async need(): Promise<string> {
    if (this.#id === '' || this.#health.state !== 'connected') await this.beat()
    return this.#id
  }

  doubt(error: unknown): void {
    this.#note(error)
    this.look()
  }

  lost(id: string): void {
    if (id === '' || id !== this.#id) return
    this.#lose()
    this.look()
  }

  /** As `Cluster.prune`. */
  prune(): void {
    this.#isPruneDue = true
    this.look()
  }

  /** Looks soon after the lease. */
  look(): void {
    this.#schedule(0)
  }

  /** Makes sure that the lease stands and everything under it. Throws as calls do, and conflict when another host has the name. */
  beat(): Promise<void> {
    this.#beating ??= this.#beatOnce().finally(() => {
      this.#beating = null
    })
    return this.#beating
  }

  async #beatOnce(): Promise<void> {
    try {
      if (this.#id !== '') await this.#keepAlive(this.#id)
      while (!this.#isWhole) await this.#putAll()
      this.#enter('connected', this.holdings.isWritten ? '' : this.#health.error)
      // what etcd has refused may be taken a moment later
      this.#schedule(this.holdings.isWritten ? (this.#etcd.url.ttl * 1000) / 3 : retryPause)
      void this.#write()
    } catch (error) {
      this.#miss(error)
      throw error
    }
  }

  /** Under a new lease, if need be; it may be lost again meanwhile. */
  async #putAll(): Promise<void> {
    if (this.#id === '') await this.#register()
    this.#isWhole = true
    try {
      await this.holdings.flushAnew()
    } catch (error) {
      this.#isWhole = false
      if (!isLeaseGone(error)) throw error
    }
  }

  /** What did not arrive before may do so now. */
  async #write(): Promise<void> {
    try {
      await this.holdings.flush()
      await this.#prune()
      this.#enter(this.#health.state, this.#health.state === 'connected' ? '' : this.#health.error)
    } catch (error) {
      this.#note(error)
    }
  }

  async #prune(): Promise<void> {
    if (this.#isPruneDue && this.#resumedAt !== '')
      await this.holdings.prune(this.#resumedAt, nodeKey(this.#self.name))
    this.#isPruneDue = false
  }

  async #keepAlive(id: string): Promise<void> {
    const sent = performance.now()
    const { TTL } = await this.#etcd.call('leaseKeepAlive', { ID: id })
    if (id !== this.#id) return
    if (Number(TTL) > 0) this.#validUntil = sent + Number(TTL) * 1000
    else this.#lose()
  }

  #lose(): void {
    this.#id = ''
    this.#resumedAt = ''
    this.#isWhole = false
    this.#log.warn('the lease in the cluster was lost: what stood under it is claimed anew')
    this.#enter('fenced', 'the lease was lost')
    this.holdings.restore()
  }

  async #register(): Promise<void> {
    if (await this.#resume()) return
    const sent = performance.now()
    const { ID, TTL } = await this.#etcd.call('leaseGrant', { TTL: this.#etcd.url.ttl, ID: '0' })
    try {
      await this.#takeName(ID)
    } catch (error) {
      this.#etcd.call('leaseRevoke', { ID }).catch(() => {})
      throw error
    }
    this.#stand(ID, sent + Number(TTL) * 1000)
  }

  /** Goes on with the lease of before, under which everything stands. Returns whether there is one. */
  async #resume(): Promise<boolean> {
    const ID = this.#former
    if (ID === '') return false
    const sent = performance.now()
    const { TTL } = await this.#etcd.call('leaseKeepAlive', { ID })
    const stands = Number(TTL) > 0
    if (stands) {
      this.#resumedAt = await this.#takeName(ID)
      this.#stand(ID, sent + Number(TTL) * 1000)
    }
    this.#former = ''
    return stands
  }

  #stand(id: string, validUntil: number): void {
    this.#id = id
    this.#validUntil = validUntil
    this.#keeper?.take(id)
  }

  /** The installation that has the name already may take it over: it is this one, before it was restarted. Returns the revision. */
  async #takeName(lease: string): Promise<string> {
    const key = this.#etcd.key(nodeKey(this.#self.name))
    const success = [put(key, JSON.stringify(this.#self), lease)]
    let compare = [isAbsent(key)]
    for (;;) {
      const answer = await this.#etcd.call('txn', { compare, success, failure: [get(key)] })
      if (answer.succeeded) return answer.header.revision
      const there = answer.responses[0]?.response_range.kvs[0]
      if (there !== undefined) this.#checkOwner(JSON.parse(there.value.toString()) as NodeRecord)
      compare = there === undefined ? [isAbsent(key)] : [isAt(key, there.mod_revision)]
    }
  }

  #checkOwner({ id, name, address }: NodeRecord): void {
    if (id === this.#self.id) return
    throw new TsnetError(
      'conflict',
      'node-name-taken',
      `node name ${name} is taken by the host at ${address}: give this one another name, or wait ${this.#etcd.url.ttl} s when that one is gone`,
    )
  }

  #miss(error: unknown): void {
    const isOver = this.#id === '' ? this.#health.state === 'fenced' : performance.now() > this.#validUntil
    this.#enter(isOver ? 'fenced' : 'away', errorMessage(error))
    const isRefused = errorKind(error) === 'conflict'
    this.#schedule(isRefused ? (this.#etcd.url.ttl * 1000) / 3 : retryPause)
  }

  /** What failed although the lease stands, as when etcd takes no more. */
  #note(error: unknown): void {
    if (this.#health.state === 'connected') this.#enter('connected', errorMessage(error))
  }

  #enter(state: ClusterHealth['state'], error: string): void {
    const before = this.#health
    if (before.state === state && before.error === error) return
    const since = before.state === state ? before.since : new Date().toISOString()
    this.#health = { state, since, error }
    this.#say()
    for (const listener of this.#listeners) this.#tell(listener)
  }

  /** Each thing once until all is well: tries are many, and what they find may go back and forth. */
  #say(): void {
    const { state, error } = this.#health
    if (error === '') this.#said.clear()
    const line = `${state} ${error.replaceAll(/\d+ ms/g, '')}`
    if (this.#said.has(line)) return
    this.#said.add(line)
    this.#log[error === '' ? 'info' : 'warn']({ state, error }, 'cluster')
  }

  #tell(listener: (health: ClusterHealth) => void): void {
    try {
      listener(this.#health)
    } catch (error) {
      this.#log.error({ err: error }, 'a change of the way to the cluster went wrong here')
    }
  }

  #schedule(delay: number): void {
    if (this.#next !== null) clearTimeout(this.#next)
    if (this.#isClosed) return
    this.#next = setTimeout(() => void this.beat().catch(() => {}), delay)
  }

  /** Ends the lease, so that all that stands under it goes; with `keep` it ends by itself. */
  async close(keep: boolean): Promise<void> {
    this.#isClosed = true
    if (this.#next !== null) clearTimeout(this.#next)
    await this.#beating?.catch(() => {})
    if (this.#id === '') return
    if (keep) await this.holdings.flush()
    else await this.#etcd.call('leaseRevoke', { ID: this.#id })
  }
}
