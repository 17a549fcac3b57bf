/**
 * The servers of etcd as one. Calls go to the same server until it fails, then to the next, and end in time whatever happens;
 * after every failure a connection is made anew, with certificates and passwords as the files hold them then.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkServerIdentity } from 'node:tls'
import type { ChannelCredentials } from '@grpc/grpc-js'
import type { IWatchCreateRequest, IWatchResponse } from 'etcd3/lib/rpc.js'
import { TsnetError } from '../errors.ts'
import { Connection, hostOf, Unanswered } from './connection.ts'
import {
  isAuthOff,
  isCompacted,
  isLeaderless,
  isLeaseGone,
  isServerFailure,
  isStaleToken,
  wordsOf,
  wordsOfAll,
} from './failures.ts'
import { clusterIdentity } from './keys.ts'
import { KnownState } from './known-state.ts'
import { type Calls, loadProtocol, type Method, type Protocol } from './protocol.ts'
import type { ClusterUrl } from './url.ts'
import { followWatch } from './watch-stream.ts'

export interface EtcdOptions {
  readonly url: ClusterUrl
  /** milliseconds within which every call ends */
  readonly patience: number
  /** Called when no server has answered a call, or a watch has ended. */
  readonly onTrouble: () => void
  /** One that looks at no state: whose state that is does not matter to it. */
  readonly isGuest?: boolean
}

/** While servers elect a leader they are asked again after so many milliseconds. */
const electionPause = 100

export class Etcd {
  readonly url: ClusterUrl
  readonly patience: number
  readonly #protocol: Protocol
  readonly #onTrouble: () => void
  readonly #isGuest: boolean
  /** The one in use comes first. */
  #servers: readonly string[]
  #connection: Connection | null = null
  #token: Promise<string> | null = null
  /** Those whose servers are of this cluster. */
  readonly #known = new WeakSet<Connection>()
  readonly #state: KnownState
  #away: PromiseWithResolvers<void> | null = null
  readonly #closing = new AbortController()

  private constructor(protocol: Protocol, { url, patience, onTrouble, isGuest = false }: EtcdOptions) {
    this.#protocol = protocol
    this.url = url
    this.patience = patience
    this.#onTrouble = onTrouble
    this.#isGuest = isGuest
    this.#state = new KnownState(this.key(clusterIdentity))
    // hosts spread over the servers
    const first = Math.floor(Math.random() * url.servers.length)
    this.#servers = [...url.servers.slice(first), ...url.servers.slice(0, first)]
  }

  static async load(options: EtcdOptions): Promise<Etcd> {
    return new Etcd(await loadProtocol(), options)
  }

  /** Aborts when the cluster is left. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** The key as etcd has it. */
  key(key: string): Buffer {
    return Buffer.from(this.url.prefix + key)
  }

  /** Of a key as etcd has it. */
  name(key: Buffer): string {
    return key.toString('utf8', Buffer.byteLength(this.url.prefix))
  }

  /**
   * Asks, and asks again elsewhere where the first server fails: what is asked must be safe to repeat. Throws kind 'unavailable',
   * code 'cluster-away', and what `isLeaseGone` and `isCompacted` know as it came.
   */
  async call<M extends Method>(method: M, request: Calls[M]['request']): Promise<Calls[M]['response']> {
    const end = performance.now() + this.patience
    const failures = new Map<string, unknown>()
    const tried = new Set<string>()
    for (let isTokenFresh = false; ; ) {
      const connection = this.#current(failures)
      if (connection !== null) {
        try {
          return await this.#ask(connection, method, request, end)
        } catch (error) {
          if (isStaleToken(error) && !isTokenFresh) {
            isTokenFresh = true
            this.#token = null
            continue
          }
          if (!isServerFailure(error)) throw this.#refusal(error)
          // silence, perhaps for want of time, says less than what was said before
          if (!(error instanceof Unanswered && failures.has(connection.server)))
            failures.set(connection.server, error)
          tried.add(connection.server)
          this.#giveUp(connection, error)
        }
      }
      if (this.closing.aborted) throw this.#unusable('this daemon has left it')
      const isTime = performance.now() + electionPause < end
      if (isTime && connection !== null && tried.size < this.#servers.length) continue
      if (!isTime || !isElecting(failures)) throw this.#failure(failures)
      await sleep(electionPause)
      tried.clear()
    }
  }

  /** One try at one server. */
  async #ask<M extends Method>(
    connection: Connection,
    method: M,
    request: Calls[M]['request'],
    end: number,
  ): Promise<Calls[M]['response']> {
    const token = await this.#enter(connection, end)
    const seen = this.#state.newest
    const response = await connection.call(method, request, token, this.#patienceUntil(end))
    if (method === 'range' || method === 'txn') this.#state.check(response, seen)
    this.#away?.resolve()
    this.#away = null
    return response
  }

  /** Returns the token for a connection whose server is one of this cluster. */
  async #enter(connection: Connection, end: number): Promise<string> {
    const token = await this.#login(connection, this.#patienceUntil(end))
    if (!this.#isGuest && !this.#known.has(connection))
      await this.#state.meet((request) => connection.call('txn', request, token, this.#patienceUntil(end)))
    this.#known.add(connection)
    return token
  }

  /** Every server gets its turn, and what was lost with a leader is asked again in time. */
  #patienceUntil(end: number): number {
    return Math.max(1, Math.min(this.patience / this.#servers.length, end - performance.now()))
  }

  #failure(failures: ReadonlyMap<string, unknown>): TsnetError {
    this.#away ??= Promise.withResolvers()
    this.#onTrouble()
    return this.#unusable(wordsOfAll(failures, this.url), [...failures.values()][0])
  }

  #refusal(error: unknown): unknown {
    return isLeaseGone(error) || isCompacted(error) ? error : this.#unusable(wordsOf(error, this.url), error)
  }

  #unusable(why: string, cause?: unknown): TsnetError {
    const servers = this.url.servers.join(', ')
    return new TsnetError(
      'unavailable',
      'cluster-away',
      `the cluster's etcd at ${servers} cannot be used: ${why}`,
      { cause },
    )
  }

  /** Null, with the reason in `failures`, when its files cannot be read. */
  #current(failures: Map<string, unknown>): Connection | null {
    const [server = ''] = this.#servers
    try {
      if (this.closing.aborted) throw new Error('this daemon has left it')
      this.#state.refuseOlder()
      this.#connection ??= new Connection(this.#protocol, server, this.#credentials(server))
      return this.#connection
    } catch (error) {
      for (const each of this.#servers) failures.set(each, error)
      return null
    }
  }

  #credentials(server: string): ChannelCredentials {
    const { credentials } = this.#protocol.grpc
    const { tls } = this.url
    if (tls === null) return credentials.createInsecure()
    const read = (path: string) => (path === '' ? null : readFileSync(path))
    return credentials.createSsl(read(tls.ca), read(tls.key), read(tls.cert), {
      checkServerIdentity: (_, certificate) => checkServerIdentity(hostOf(server), certificate),
    })
  }

  /** The next call goes to the next server, unless this one is merely slow. */
  #giveUp(connection: Connection, error: unknown): void {
    if (isSlow(error)) return
    connection.close(error)
    if (this.#connection !== connection) return
    this.#connection = null
    this.#token = null
    const [first = '', ...others] = this.#servers
    this.#servers = [...others, first]
  }

  /** The token that shows who asks, '' where etcd lets everybody in. */
  async #login(connection: Connection, patience: number): Promise<string> {
    if (this.url.user === null) return ''
    this.#token ??= this.#authenticate(connection, patience)
    const token = this.#token
    try {
      return await token
    } catch (error) {
      if (this.#token === token) this.#token = null
      throw error
    }
  }

  async #authenticate(connection: Connection, patience: number): Promise<string> {
    const { name, passwordFile } = this.url.user!
    const [password = ''] = readFileSync(passwordFile, 'utf8').split('\n')
    try {
      const { token } = await connection.call('authenticate', { name, password }, '', patience)
      return token
    } catch (error) {
      if (isAuthOff(error)) return ''
      throw error
    }
  }

  /**
   * Hands on what a watch answers, until the stream breaks, which it always does by throwing: what `isCompacted` knows as it
   * came, else as `call`. The first answer confirms the watch.
   */
  async watch(
    request: IWatchCreateRequest,
    onAnswer: (answer: IWatchResponse) => void,
    signal: AbortSignal,
  ): Promise<never> {
    const failures = new Map<string, unknown>()
    const connection = this.#current(failures)
    if (connection === null) throw this.#unusable(wordsOfAll(failures, this.url))
    try {
      const token = await this.#enter(connection, performance.now() + this.patience)
      const note = (answer: IWatchResponse): void => {
        this.#state.note(answer)
        onAnswer(answer)
      }
      return await followWatch(connection, { token, request, patience: this.patience }, note, signal)
    } catch (error) {
      if (isStaleToken(error)) this.#token = null
      else if (!signal.aborted && isServerFailure(error)) {
        this.#giveUp(connection, error)
        this.#onTrouble()
      }
      throw this.#refusal(error)
    }
  }

  /** Resolves when etcd answers calls: at once unless the last one failed for want of a server. */
  async back(): Promise<void> {
    await this.#away?.promise
  }

  close(): void {
    this.#closing.abort(new Error('the cluster was left'))
    this.#connection?.close(this.closing.reason)
    this.#away?.resolve()
  }
}

/** Some server is there, and may answer when it is asked again. */
function isElecting(failures: ReadonlyMap<string, unknown>): boolean {
  return [...failures.values()].some((error) => isLeaderless(error) || isSlow(error))
}

/** Other calls are answered on the same connection. */
const isSlow = (error: unknown): boolean => error instanceof Unanswered && !error.isSilent
