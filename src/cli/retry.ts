/** Transfers that go on after their connection broke. */
import { setTimeout as sleep } from 'node:timers/promises'
import { TsnetError } from '../errors.ts'

/** Milliseconds before each further attempt: a daemon that is started again is there after a few seconds. */
const pauses: readonly number[] = [200, 500, 1000, 2000, 4000, 8000]

/** Whether a failure is of the connection, or of a daemon that is away, and not what a daemon answered. */
function isBroken(error: unknown): boolean {
  if (error instanceof TsnetError) return error.code === 'daemon'
  const code = (error as NodeJS.ErrnoException).code ?? ''
  return [
    'ECONNRESET',
    'EPIPE',
    'ECONNREFUSED',
    'ETIMEDOUT',
    'ECONNABORTED',
    'ENOENT',
    'EHOSTUNREACH',
  ].includes(code)
}

/** Counts failures in a row. */
export class Patience {
  #failures = 0

  /** Something has come through: the next failure is a first one again. */
  renew(): void {
    this.#failures = 0
  }

  /** Waits before another attempt. Throws the error when it is of another kind, or one too many. */
  async after(error: unknown): Promise<void> {
    const pause = pauses[this.#failures++]
    if (pause === undefined || !isBroken(error)) throw error
    await sleep(pause)
  }
}

/** Repeats what can be repeated whole. */
export async function persistently<T>(body: () => Promise<T>): Promise<T> {
  const patience = new Patience()
  for (;;) {
    try {
      return await body()
    } catch (error) {
      await patience.after(error)
    }
  }
}
