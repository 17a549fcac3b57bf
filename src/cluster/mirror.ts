/** A part of the shared state, kept as etcd has it: read once, then followed by a watch from that very revision. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { IKeyValue, IWatchResponse } from 'etcd3/lib/rpc.js'
import { errorMessage, TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { EndpointId, NetworkId } from '../values/id.ts'
import type { Change, ClusterEndpoint, Mirror } from './cluster.ts'
import type { Etcd } from './etcd.ts'
import { isCompacted } from './failures.ts'
import { endOf, readAll } from './requests.ts'

/** Between tries that fail although etcd answers, in milliseconds. */
const pause = 500

/** How values stand in etcd. */
export interface Coding<T> {
  encode(value: T): string
  decode(text: string, key: string): T
}

export const textCoding: Coding<string> = { encode: (text) => text, decode: (text) => text }
export const jsonCoding = <T>(): Coding<T> => ({
  encode: JSON.stringify,
  decode: (text) => JSON.parse(text) as T,
})

/** As JSON. What all of a network's endpoints say, and what their keys say, is in memory once. */
export const endpointCoding = (network: NetworkId): Coding<ClusterEndpoint> => ({
  encode: JSON.stringify,
  decode(text, key) {
    const endpoint = JSON.parse(text) as ClusterEndpoint
    const isShared = endpoint.network === network && endpoint.id === key
    return isShared ? { ...endpoint, network, id: key as EndpointId } : endpoint
  },
})

/** What became of a key: its text, undefined when it is gone. */
type Event = readonly [key: string, text: string | undefined]

export class EtcdMirror<T> implements Mirror<T> {
  readonly #etcd: Etcd
  readonly #log: Logger
  readonly #prefix: Buffer
  readonly #coding: Coding<T>
  readonly #values = new Map<string, T>()
  readonly #listeners = new Set<(changes: readonly Change<T>[]) => void>()
  readonly #closing = new AbortController()
  readonly #closed: AbortSignal
  readonly #whole = Promise.withResolvers<void>()
  /** Up to which all is known, 0 when it must be read anew. */
  #revision = 0
  /** Read so far, whole or not. */
  #pages = 0
  #failure: unknown = null
  /** Heard and not yet told. */
  #events: Event[] = []
  #told: NodeJS.Immediate | null = null

  /** `prefix` is below the cluster's and ends with a slash. */
  constructor(etcd: Etcd, prefix: string, coding: Coding<T>, log: Logger) {
    this.#etcd = etcd
    this.#log = log
    this.#prefix = etcd.key(prefix)
    this.#coding = coding
    this.#closed = AbortSignal.any([this.#closing.signal, etcd.closing])
    this.#whole.promise.catch(() => {})
    void this.#keep()
  }

  get values(): ReadonlyMap<string, T> {
    return this.#values
  }

  async ready(): Promise<void> {
    const late = new AbortController()
    const lateness = this.#standStill(late.signal).then(() => {
      throw this.#failure instanceof TsnetError ? this.#failure : this.#unheard()
    })
    lateness.catch(() => {})
    try {
      await Promise.race([this.#whole.promise, lateness])
    } finally {
      late.abort()
    }
  }

  /** Resolves when nothing has been read for as long as a call may take. */
  async #standStill(signal: AbortSignal): Promise<void> {
    for (let read = -1; read !== this.#pages; ) {
      read = this.#pages
      await sleep(this.#etcd.patience, undefined, { signal })
    }
  }

  #unheard(): TsnetError {
    const what = this.#prefix.toString()
    const why = this.#failure === null ? '' : `: ${errorMessage(this.#failure)}`
    return new TsnetError(
      'unavailable',
      'cluster-away',
      `the cluster's ${what} has not been read in time${why}`,
    )
  }

  subscribe(listener: (changes: readonly Change<T>[]) => void): Disposable {
    const own = (changes: readonly Change<T>[]) => listener(changes)
    this.#listeners.add(own)
    return { [Symbol.dispose]: () => this.#listeners.delete(own) }
  }

  async #keep(): Promise<void> {
    while (!this.#closed.aborted) {
      try {
        if (this.#revision === 0) await this.#read()
        this.#failure = null
        await this.#follow()
      } catch (error) {
        this.#tell()
        await this.#recover(error)
      }
    }
    this.#whole.reject(new TsnetError('unavailable', 'cluster-away', 'the cluster has been left'))
  }

  async #recover(error: unknown): Promise<void> {
    const signal = this.#closed
    if (signal.aborted) return
    if (isCompacted(error)) {
      this.#revision = 0
      return
    }
    this.#failure = error
    this.#log.debug({ prefix: this.#prefix.toString(), error: errorMessage(error) }, 'mirror interrupted')
    await sleep(pause, undefined, { signal }).catch(() => {})
    await this.#etcd.back()
  }

  /** Tells the difference between what is known and what is there; page by page while nothing is known, so that it need not be there twice. */
  async #read(): Promise<void> {
    const gone = new Set(this.#values.keys())
    const isFirst = gone.size === 0
    const changed: Event[] = []
    const revision = await readAll(this.#etcd, this.#prefix, (page) => {
      this.#pages += 1
      for (const [key, text] of page) {
        gone.delete(key)
        if (!this.#holds(key, text)) changed.push([key, text])
      }
      if (isFirst && !this.#closed.aborted) this.#apply(changed.splice(0))
    })
    if (this.#closed.aborted) return
    this.#apply([...[...gone].map((key): Event => [key, undefined]), ...changed])
    this.#revision = revision
    this.#whole.resolve()
  }

  /**
   * From the last revision that is known, not from the one after it: etcd 3.4 serves a watch that starts at the very revision it
   * has compacted, but without the deletions of that revision.
   */
  async #follow(): Promise<never> {
    const request = {
      key: this.#prefix,
      range_end: endOf(this.#prefix),
      start_revision: this.#revision,
      progress_notify: true,
      fragment: true,
    }
    return await this.#etcd.watch(request, (answer) => this.#hear(answer), this.#closed)
  }

  #hear(answer: IWatchResponse): void {
    const now = Number(answer.header.revision)
    if (answer.created && now < this.#revision) {
      // somebody has put an older state in place: a watch would wait until its revisions are there
      throw Object.assign(new Error('required revision has been compacted'), { code: 9 })
    }
    for (const { type, kv } of answer.events) {
      this.#events.push([this.#keyOf(kv), type.toString() === 'Delete' ? undefined : kv.value.toString()])
    }
    this.#told ??= setImmediate(() => this.#tell())
    this.#advance(answer, now)
  }

  /** An answer's header may be ahead of its events, and what is cut in pieces is known with the last. */
  #advance(answer: IWatchResponse, now: number): void {
    const last = answer.events.at(-1)
    if (last === undefined) {
      if (!answer.created) this.#revision = Math.max(this.#revision, now)
    } else if (!answer.fragment) {
      this.#revision = Math.max(this.#revision, Number(last.kv.mod_revision))
    }
  }

  #tell(): void {
    if (this.#told !== null) clearImmediate(this.#told)
    this.#told = null
    const events = this.#events
    this.#events = []
    if (!this.#closed.aborted) this.#apply(events)
  }

  #keyOf(pair: IKeyValue): string {
    return pair.key.toString('utf8', this.#prefix.length)
  }

  #apply(events: readonly Event[]): void {
    const changes = events.flatMap(([key, text]) => this.#change(key, text))
    if (changes.length === 0) return
    for (const listener of this.#listeners) {
      try {
        listener(changes)
      } catch (error) {
        this.#log.error(
          { err: error, prefix: this.#prefix.toString() },
          'a change of the cluster went wrong here',
        )
      }
    }
  }

  /** Nothing when it is as it was: a host that comes back writes all that it has again. */
  #change(key: string, text: string | undefined): Change<T>[] {
    const before = this.#values.get(key)
    if (text === undefined) {
      return this.#values.delete(key) ? [{ key, before, value: undefined }] : []
    }
    if (this.#holds(key, text)) return []
    const value = this.#decode(key, text)
    if (value === undefined) return []
    this.#values.set(key, value)
    return [{ key, before, value }]
  }

  #holds(key: string, text: string): boolean {
    const value = this.#values.get(key)
    return value !== undefined && this.#coding.encode(value) === text
  }

  #decode(key: string, text: string): T | undefined {
    try {
      return this.#coding.decode(text, key)
    } catch (error) {
      this.#log.error({ key, error: errorMessage(error) }, 'the cluster holds what cannot be read')
      return undefined
    }
  }

  [Symbol.dispose](): void {
    this.#closing.abort(new Error('the mirror was closed'))
    if (this.#told !== null) clearImmediate(this.#told)
    this.#listeners.clear()
  }
}

/** One mirror for all that follow the same, until the last has disposed of it. */
export class SharedMirror<T> {
  readonly #mirror: EtcdMirror<T>
  readonly #onUnused: () => void
  #users = 0

  constructor(mirror: EtcdMirror<T>, onUnused: () => void) {
    this.#mirror = mirror
    this.#onUnused = onUnused
  }

  use(): Mirror<T> {
    this.#users += 1
    const mirror = this.#mirror
    const subscriptions = new DisposableStack()
    return {
      get values() {
        return mirror.values
      },
      ready: () => mirror.ready(),
      subscribe: (listener) => subscriptions.use(mirror.subscribe(listener)),
      [Symbol.dispose]: () => {
        if (subscriptions.disposed) return
        subscriptions.dispose()
        this.#release()
      },
    }
  }

  #release(): void {
    this.#users -= 1
    if (this.#users > 0) return
    this.#mirror[Symbol.dispose]()
    this.#onUnused()
  }
}
