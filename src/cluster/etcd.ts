/**
 * The servers of etcd as one. Calls go to the same server until it fails, then to the next, and end in time whatever happens;
 * after every failure a connection is made anew, with certificates and passwords as the files hold them then.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkServerIdentity } from 'node:tls'
import type { ChannelCredentials } from '@grpc/grpc-js'
import type { IRangeResponse, IWatchCreateRequest, IWatchResponse } from 'etcd3/lib/rpc.js'
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
import { type Calls, loadProtocol, type Method, type Protocol } from './protocol.ts'
import { get, isAbsent, put } from './requests.ts'
import type { ClusterUrl } from './url.ts'

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

const foreign =
  'its state is not that of the cluster which this host has joined, as after a loss of its data: repair it, or restart the daemon to take it as it is'
const older =
  'its state is older than what this host has seen, as after a restore: restart the daemon to take it as it is'

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
  /** What stands below the prefix since its first host has joined. */
  #identity = ''
  /** The newest revision that was seen. */
  #newest = 0
  #isOlder = false
  #away: PromiseWithResolvers<void> | null = null
  readonly #closing = new AbortController()

  private constructor(protocol: Protocol, { url, patience, onTrouble, isGuest = false }: EtcdOptions) {
    this.#protocol = protocol
    this.url = url
    this.patience = patience
    this.#onTrouble = onTrouble
    this.#isGuest = isGuest
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
    const seen = this.#newest
    const response = await connection.call(method, request, token, this.#patienceUntil(end))
    if (method === 'range' || method === 'txn') this.#checkAge(response, seen)
    this.#away?.resolve()
    this.#away = null
    return response
  }

  /** Returns the token for a connection whose server is one of this cluster. */
  async #enter(connection: Connection, end: number): Promise<string> {
    const token = await this.#login(connection, this.#patienceUntil(end))
    if (!this.#isGuest && !this.#known.has(connection))
      await this.#meet(connection, token, this.#patienceUntil(end))
    this.#known.add(connection)
    return token
  }

  /**
   * Servers that lost their data, or were exchanged, come with a new connection. Taken as it is, their state would remove the networks
   * under running containers: whether it may is for the operator to say.
   */
  async #meet(connection: Connection, token: string, patience: number): Promise<void> {
    const key = this.key(clusterIdentity)
    const fresh = this.#identity === '' ? randomUUID() : ''
    const success = fresh === '' ? [] : [put(key, fresh)]
    const request = { compare: [isAbsent(key)], success, failure: [get(key)] }
    const seen = this.#newest
    const answer = await connection.call('txn', request, token, patience)
    const found = answer.succeeded ? fresh : answer.responses[0]?.response_range.kvs[0]?.value.toString()
    if (this.#identity === '' && found) this.#identity = found
    if (found !== this.#identity) throw new Error(foreign)
    this.#checkAge(answer, seen)
  }

  /** Reads and writes by a majority never see less than was `seen` before them, save when an older copy was restored. */
  #checkAge(response: object, seen: number): void {
    if (this.#note(response) < seen) this.#isOlder = true
    if (this.#isOlder) throw new Error(older)
  }

  #note(response: object): number {
    const revision = Number((response as IRangeResponse).header.revision)
    this.#newest = Math.max(this.#newest, revision)
    return revision
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
      if (this.#isOlder) throw new Error(older)
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
      return await this.#stream(connection, token, request, onAnswer, signal)
    } catch (error) {
      if (isStaleToken(error)) this.#token = null
      else if (!signal.aborted && isServerFailure(error)) {
        this.#giveUp(connection, error)
        this.#onTrouble()
      }
      throw this.#refusal(error)
    }
  }

  async #stream(
    connection: Connection,
    token: string,
    request: IWatchCreateRequest,
    onAnswer: (answer: IWatchResponse) => void,
    signal: AbortSignal,
  ): Promise<never> {
    const { promise, reject } = Promise.withResolvers<never>()
    const stream = connection.stream('Watch', 'watch', token)
    const confirmed = setTimeout(() => reject(new Unanswered(this.patience, true)), this.patience)
    const leave = () => reject(signal.reason)
    signal.addEventListener('abort', leave)
    stream.on('data', (answer: IWatchResponse) => {
      clearTimeout(confirmed)
      try {
        this.#note(answer)
        if (answer.canceled) throw cancellation(answer)
        onAnswer(answer)
      } catch (error) {
        reject(error)
      }
    })
    stream.on('error', reject)
    stream.on('end', () => reject(new Error('the stream ended')))
    stream.write({ create_request: request })
    try {
      return await promise
    } finally {
      clearTimeout(confirmed)
      signal.removeEventListener('abort', leave)
      stream.cancel()
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

/** A canceled watch says why in words alone, which are those of the errors of calls. */
function cancellation(answer: IWatchResponse): Error {
  const isCompaction = answer.compact_revision !== '0'
  const reason = isCompaction ? 'required revision has been compacted' : answer.cancel_reason
  return Object.assign(new Error(reason), { code: 9 })
}
