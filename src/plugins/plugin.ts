/**
 * A Docker plugin: found, activated and called. It may be dead, slow or wrong at any time: every call has a deadline, and one
 * that cannot be reached is not tried again for a while.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { type DriverCall, timeDriver } from '../timings.ts'
import { findPluginFile, readAddress } from './locate.ts'
import { type Answer, AnswerTooLarge, post } from './transport.ts'

/** What plugins of one daemon share. */
export interface Surroundings {
  readonly directories: readonly string[]
  /** Whether that socket is one of the daemon's own, which offers its drivers to another engine. */
  readonly isOwn: (file: string) => boolean
  readonly log: Logger
  /** Called whenever a plugin has said what it is. */
  readonly onKnown: (plugin: Plugin) => void
  /** Aborted when the daemon ends. */
  readonly closing: AbortSignal
  /** While the daemon starts, nothing waits for a plugin. */
  starting: boolean
}

export interface CallOptions {
  /** milliseconds */
  readonly deadline: number
  readonly signal?: AbortSignal
  /**
   * For whom (a container's id) to wait for a plugin that is not there, as long as the deadline allows, but for no longer than half a
   * minute.
   */
  readonly waiter?: string
}

export type PluginAnswer = Readonly<Record<string, unknown>>

const activate = 'Plugin.Activate'

/** Milliseconds from a change of its file to the question what it is: a socket is there a moment before its program listens. */
const settleTime = 100

/** Milliseconds for which one that could not be reached is not asked again. */
const pause = 1000
/** Milliseconds that a plugin has to say what it is. */
const activationDeadline = 5000
/** Milliseconds for the question whether it is there, which somebody waits for who only looks. */
const probeDeadline = 1000
/** Milliseconds for any call while the daemon starts. */
const startingDeadline = 1000
/** Milliseconds between two looks for a plugin that is waited for, and the longest wait: dockerd's. */
const lookInterval = 200
const patience = 30_000

export class Plugin {
  readonly name: string
  readonly #surroundings: Surroundings
  #kinds: readonly string[] | null = null
  #activation: Promise<readonly string[]> | null = null
  /** Since when whoever waits for it does so; ISO 8601. */
  readonly #waiters = new Map<string, string>()
  /** Why it could not be reached, and until when that is taken for true. */
  #failure: { readonly error: TsnetError; readonly until: number } | null = null
  #asking: NodeJS.Timeout | null = null

  constructor(name: string, surroundings: Surroundings) {
    this.name = name
    this.#surroundings = surroundings
  }

  /** What it last said that it implements, e.g. `VolumeDriver`; null before it was asked. */
  get kinds(): readonly string[] | null {
    return this.#kinds
  }

  /** Where it was found: its socket, or the file that names its address; '' for nowhere. */
  get file(): string {
    return findFile(this.#surroundings, this.name)
  }

  /** Since when somebody waits for it, ISO 8601; undefined when he does not. */
  waitsSince(waiter: string): string | undefined {
    return this.#waiters.get(waiter)
  }

  /** Something has happened to its file: it may be another program now, and is asked what it is in the background, a moment later. */
  changed(): void {
    this.#failure = null
    this.#activation = null
    clearTimeout(this.#asking ?? undefined)
    this.#asking = setTimeout(() => void this.#look(), settleTime).unref()
  }

  async #look(): Promise<void> {
    const isForgotten = this.#kinds === null && this.file === ''
    if (isForgotten || this.#surroundings.closing.aborted) return
    try {
      await this.#activated(this.#surroundings.closing)
    } catch {
      // Told as its trouble; whoever needs it tries for himself.
      if (this.#failure !== null) this.#failure = { ...this.#failure, until: 0 }
    }
  }

  /** Asks it what it is; what is wrong is its `trouble` afterwards. Takes a second at most, and stands in nobody's way. */
  async probe(): Promise<void> {
    const { starting, closing } = this.#surroundings
    if (starting) return
    try {
      const end = AbortSignal.any([AbortSignal.timeout(probeDeadline), closing])
      this.#read(activate, await this.#post(activate, '', end))
    } catch (error) {
      // One that is slow at this may still do what it is asked for.
      if (error !== this.#failure?.error) this.#failure = { error: error as TsnetError, until: 0 }
    }
  }

  /** Why the last call could not reach it, '' when it could. */
  get trouble(): string {
    return this.#failure?.error.message ?? ''
  }

  /**
   * Calls e.g. `VolumeDriver.Mount` and returns the answer's fields. Throws kind 'not-found' when it is no such driver,
   * 'unavailable' when it cannot be reached or does not answer in time, 'internal' for what is no answer, and for its refusal.
   */
  call(method: string, body: object, options: CallOptions): Promise<PluginAnswer> {
    const driver = { driver: this.name, kind: kindOf(method), origin: 'plugin' } as const
    return timeDriver(driver, () => this.#call(method, body, options))
  }

  async #call(method: string, body: object, options: CallOptions): Promise<PluginAnswer> {
    const { signal, deadline, waiter } = options
    const { closing, starting } = this.#surroundings
    const limit = AbortSignal.timeout(starting ? Math.min(startingDeadline, deadline) : deadline)
    const end = AbortSignal.any([limit, closing, ...(signal ? [signal] : [])])
    if (waiter !== undefined && !starting) await this.#awaitReach(waiter, end)
    await this.#activate(method, end)
    return this.#read(method, await this.#post(method, JSON.stringify(body), end))
  }

  /** Returns when it can be reached, or when it is no use to wait any longer. */
  async #awaitReach(waiter: string, end: AbortSignal): Promise<void> {
    const until = Date.now() + patience
    try {
      while (!(await this.#isReached(waiter, end)) && !end.aborted && Date.now() <= until)
        await sleep(lookInterval, undefined, { signal: end }).catch(() => {})
    } finally {
      this.#waiters.delete(waiter)
    }
  }

  /** Also when nothing but waiting is wrong. Notes who has to wait. */
  async #isReached(waiter: string, end: AbortSignal): Promise<boolean> {
    try {
      await this.#activated(end)
      return true
    } catch (error) {
      if (!isUnreachable(error)) return true
      if (!this.#waiters.has(waiter)) {
        this.#surroundings.log.warn(
          { plugin: this.name, container: waiter },
          `${error.message}; waiting for it`,
        )
        this.#waiters.set(waiter, new Date().toISOString())
      }
      return false
    }
  }

  async #activate(method: string, end: AbortSignal): Promise<void> {
    const kinds = await this.#activated(end)
    const kind = method.slice(0, method.indexOf('.'))
    if (kinds.includes(kind)) return
    throw new TsnetError(
      'not-found',
      'plugin-kind',
      `driver ${this.name}: plugin does not implement the requested driver: it is no ${kind}, but ${kinds.join(', ') || 'nothing'}`,
    )
  }

  /** All who wait for its activation share one; it goes on when the first of them has given up. */
  #activated(end: AbortSignal): Promise<readonly string[]> {
    if (this.#activation === null) {
      const activation = this.#ask()
      this.#activation = activation
      activation.catch(() => {
        if (this.#activation === activation) this.#activation = null
      })
    }
    return this.#waitFor(this.#activation, end)
  }

  async #waitFor<T>(activation: Promise<T>, end: AbortSignal): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>()
    const give = (): void => reject(this.#late(activate))
    if (end.aborted) give()
    end.addEventListener('abort', give, { once: true })
    try {
      return await Promise.race([activation, promise])
    } finally {
      end.removeEventListener('abort', give)
    }
  }

  async #ask(): Promise<readonly string[]> {
    const { starting, closing } = this.#surroundings
    const limit = AbortSignal.timeout(starting ? startingDeadline : activationDeadline)
    try {
      const answer = await this.#post(activate, '', AbortSignal.any([limit, closing]))
      const { Implements: kinds } = this.#read(activate, answer)
      this.#kinds = Array.isArray(kinds) ? kinds.map(String) : []
      setImmediate(() => this.#surroundings.onKnown(this))
      return this.#kinds
    } catch (error) {
      // One that takes connections and does not say what it is is as good as not there.
      if (isUnreachable(error) && error !== this.#failure?.error) throw this.#fail(error)
      throw error
    }
  }

  async #post(method: string, body: string, end: AbortSignal): Promise<Answer> {
    const failure = this.#failure
    if (failure !== null && (Date.now() < failure.until || this.#surroundings.starting)) throw failure.error
    const { file } = this
    if (file === '') {
      const { directories } = this.#surroundings
      const message = `there is neither ${this.name}.sock nor ${this.name}.spec or ${this.name}.json in ${directories.join(', ')}: start the plugin`
      throw this.#fail(this.#unreachable(message))
    }
    const address = readAddress(this.name, file)
    try {
      const answer = await post(address, method, body, end)
      this.#failure = null
      return answer
    } catch (error) {
      throw this.#explain(method, file, error as NodeJS.ErrnoException, end)
    }
  }

  #explain(method: string, file: string, error: NodeJS.ErrnoException, end: AbortSignal): TsnetError {
    if (end.aborted) return this.#late(method)
    if (error instanceof AnswerTooLarge) return this.#nonsense(method, error.message)
    // It may be another program when it comes back.
    this.#activation = null
    if (error.syscall === 'connect' || error.code === 'ENOTFOUND') {
      return this.#fail(this.#unreachable(`nobody answers at ${file} (${error.code}): start the plugin`))
    }
    return this.#unheard(method, `it broke off while it was asked for ${method}: ${error.message}`)
  }

  #fail(error: TsnetError): TsnetError {
    this.#activation = null
    this.#failure = { error, until: Date.now() + pause }
    return error
  }

  #late(method: string): TsnetError {
    return this.#unheard(method, `it did not answer ${method} in time`)
  }

  /** Of a call that was sent nobody knows what it did; what only was to come after the activation was never sent. */
  #unheard(method: string, message: string): TsnetError {
    if (method === activate) return this.#unreachable(message)
    return new TsnetError('unavailable', 'plugin-silent', `driver ${this.name}: ${message}`)
  }

  #unreachable(message: string): TsnetError {
    return new TsnetError('unavailable', 'plugin-unreachable', `driver ${this.name}: ${message}`)
  }

  #nonsense(method: string, what: string): TsnetError {
    return new TsnetError(
      'internal',
      'plugin-answer',
      `driver ${this.name}: its answer to ${method} is wrong: ${what}`,
    )
  }

  /** Errors come in Err, those of address managers in Error, and both with any status. */
  #read(method: string, { status, body }: Answer): PluginAnswer {
    const fields = parseObject(body)
    const refusal = fields?.['Err'] || fields?.['Error'] || (status === 200 ? '' : brief(body))
    if (refusal) {
      const message = `driver ${this.name}: ${typeof refusal === 'string' ? refusal : JSON.stringify(refusal)}`
      throw new TsnetError('internal', 'plugin-refused', message)
    }
    if (status !== 200) throw this.#nonsense(method, `status ${status} without a word`)
    if (fields === null) throw this.#nonsense(method, `no JSON object but ${JSON.stringify(brief(body))}`)
    return fields
  }
}

/** `VolumeDriver.Mount` is of volumes. */
function kindOf(method: string): DriverCall['kind'] {
  if (method.startsWith('VolumeDriver.')) return 'volume'
  return method.startsWith('IpamDriver.') ? 'ipam' : 'network'
}

/** The plugin's socket, or the file that names its address; '' for none, or where it is the daemon itself. */
export function findFile(
  { directories, isOwn }: Pick<Surroundings, 'directories' | 'isOwn'>,
  name: string,
): string {
  const file = findPluginFile(directories, name) ?? ''
  return isOwn(file) ? '' : file
}

/** An answer without a body is one without fields: some plugins send none for a call that says nothing back. */
function parseObject(body: string): PluginAnswer | null {
  if (body.trim() === '') return {}
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as PluginAnswer)
      : null
  } catch {
    return null
  }
}

function brief(text: string): string {
  return text.trim().slice(0, 200)
}

/** Whether the plugin was not there, or did not say that it is. */
function isUnreachable(error: unknown): error is TsnetError {
  return error instanceof TsnetError && error.code === 'plugin-unreachable'
}

/** Whether the plugin has said no. */
export function isRefusal(error: unknown): boolean {
  return error instanceof TsnetError && error.code === 'plugin-refused'
}

/** Whether the plugin has surely done nothing: it has said no, or never heard of it. */
export function isUndone(error: unknown): boolean {
  return isRefusal(error) || isUnreachable(error)
}
