/** Calls into code that tsnet has not written: each has a deadline, and whatever is thrown comes out with the driver's name. */
import { type ErrorKind, errorMessage, TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { type DriverCall, timeDriver } from '../timings.ts'
import type { Awaitable, DriverContext } from './api/context.ts'
import { DriverError } from './api/error.ts'

/** milliseconds */
export const usualTimeout = 30_000
export const longestTimeout = 600_000

export class Caller {
  readonly #name: string
  readonly #kind: DriverCall['kind']
  readonly #log: Logger
  /** milliseconds */
  readonly #timeout: number

  constructor(name: string, kind: DriverCall['kind'], log: Logger, timeout: number = usualTimeout) {
    this.#name = name
    this.#kind = kind
    this.#log = log.child({ driver: name })
    this.#timeout = timeout
  }

  /** `verb` names the call in errors. Also aborted with `outer`, the caller's own signal. Throws as the class says. */
  call<T>(verb: string, body: (context: DriverContext) => Awaitable<T>, outer?: AbortSignal): Promise<T> {
    const driver = { driver: this.#name, kind: this.#kind, origin: 'file' } as const
    return timeDriver(driver, () => this.#call(verb, body, outer))
  }

  async #call<T>(
    verb: string,
    body: (context: DriverContext) => Awaitable<T>,
    outer: AbortSignal | undefined,
  ): Promise<T> {
    const deadline = new AbortController()
    const signal = outer === undefined ? deadline.signal : AbortSignal.any([deadline.signal, outer])
    const over = Promise.withResolvers<never>()
    // Also when nobody comes to wait for it.
    over.promise.catch(() => {})
    signal.addEventListener('abort', () => over.reject(this.#late(verb)), { once: true })
    const timer = setTimeout(() => deadline.abort(), this.#timeout)
    try {
      signal.throwIfAborted()
      const answer = Promise.resolve(body({ log: this.#log, signal }))
      answer.catch((error: unknown) => this.#afterwards(verb, signal, error))
      return await Promise.race([answer, over.promise])
    } catch (error) {
      throw this.#named(verb, error)
    } finally {
      clearTimeout(timer)
    }
  }

  /** For what a driver answers at once. */
  ask<T>(verb: string, body: () => T): T {
    try {
      return body()
    } catch (error) {
      throw this.#named(verb, error)
    }
  }

  /** A refusal by tsnet of what a driver has answered. */
  wrong(verb: string, what: string): TsnetError {
    return new TsnetError('internal', 'driver-answer', `driver ${this.#name}: ${verb} ${what}`)
  }

  #late(verb: string): TsnetError {
    const seconds = this.#timeout / 1000
    return new TsnetError(
      'unavailable',
      'driver-timeout',
      `driver ${this.#name}: ${verb} was given up: no answer within ${seconds} seconds`,
    )
  }

  /** Nobody waits for it any more. */
  #afterwards(verb: string, signal: AbortSignal, error: unknown): void {
    if (signal.aborted) this.#log.debug({ err: error, verb }, 'a call that was given up has failed')
  }

  #named(verb: string, error: unknown): TsnetError {
    if (error instanceof TsnetError && error.code === 'driver-timeout') return error
    const kind: ErrorKind =
      error instanceof DriverError || error instanceof TsnetError ? error.kind : 'internal'
    if (kind === 'internal') this.#log.error({ err: error, verb }, 'a driver has failed')
    return new TsnetError(kind, 'driver-failed', `driver ${this.#name}: ${errorMessage(error)}`, {
      cause: error,
    })
  }
}
