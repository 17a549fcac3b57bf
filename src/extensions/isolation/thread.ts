/** One life of the thread that an isolated driver has for itself. */
import { Worker } from 'node:worker_threads'
import { TsnetError } from '../../errors.ts'
import type { DriverContext, DriverLog } from '../api/context.ts'
import {
  type Kind,
  type Manifest,
  type Order,
  type Report,
  type ThreadData,
  unpackError,
} from './messages.ts'

/** MiB of JavaScript's values and Buffers. */
const memory = 512
/** Milliseconds between two looks at them. */
const look = 250
/**
 * MiB at which V8 ends the thread. Far above the other: V8 takes the whole process down when the last step over its limit is a large one, such
 * as a Map that grows to twice its size.
 */
const heapLimit = 4096
/** Milliseconds in which a thread has its driver loaded. */
const patience = 10_000
/** Milliseconds in which a thread that nobody waits for any more has to show that it lives. */
const grace = 1000

const tooMuch = `its thread was ended: it took more than the ${memory} MiB of memory that it may have`

const isSource = import.meta.url.endsWith('/thread.ts')
const entry = new URL(isSource ? './main.ts' : './driver-worker.mjs', import.meta.url)

export class Thread {
  readonly #worker: Worker
  readonly #log: DriverLog
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>()
  readonly #ready = Promise.withResolvers<Manifest>()
  readonly #lost = Promise.withResolvers<Error>()
  #alive: PromiseWithResolvers<void> | null = null
  #loss: Error | null = null
  #number = 0

  constructor(url: string, log: DriverLog) {
    this.#log = log
    this.#limitLoading()
    const workerData: ThreadData = { url }
    this.#worker = new Worker(entry, {
      workerData,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: heapLimit },
    })
    // Calls have timers of their own, and a program that has nothing else to do may end.
    this.#worker.unref()
    this.#watchMemory()
    this.#worker.on('message', (report: Report) => this.#hear(report))
    this.#worker.on('error', (error) => this.#lose(ended(why(error))))
    this.#worker.on('exit', (code) => this.#lose(ended(`its thread has ended with code ${code}`)))
  }

  /** Rejects with what is wrong with the driver. */
  get ready(): Promise<Manifest> {
    return this.#ready.promise
  }

  /** Resolves with the reason when the thread is no more. */
  get lost(): Promise<Error> {
    return this.#lost.promise
  }

  get isLost(): boolean {
    return this.#loss !== null
  }

  get isIdle(): boolean {
    return this.#pending.size === 0
  }

  /** While it is not known whether the thread still lives. */
  get doubt(): Promise<void> | null {
    return this.#alive?.promise ?? null
  }

  /** Rejects when the driver does, and when the thread is lost. */
  async call(
    kind: Kind,
    verb: string,
    args: readonly unknown[],
    signal: DriverContext['signal'],
  ): Promise<unknown> {
    signal.throwIfAborted()
    if (this.#loss !== null) throw this.#loss
    const id = ++this.#number
    const answer = Promise.withResolvers<unknown>()
    const giveUp = (): void => this.#giveUp(id)
    this.#pending.set(id, answer)
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      this.#order({ type: 'call', id, kind, verb, args })
      return await answer.promise
    } finally {
      signal.removeEventListener('abort', giveUp)
      this.#pending.delete(id)
    }
  }

  /** At once, whatever it is at. */
  end(reason: string): void {
    this.#lose(ended(reason))
    void this.#worker.terminate()
  }

  #limitLoading(): void {
    const reason = `it was not loaded within ${patience / 1000} seconds`
    const late = setTimeout(() => this.end(reason), patience)
    const clear = (): void => clearTimeout(late)
    this.#ready.promise.then(clear, clear)
  }

  #watchMemory(): void {
    const timer = setInterval(async () => {
      // Rejects when the thread is no more.
      const heap = await this.#worker.getHeapStatistics().catch(() => null)
      if (heap !== null && heap.used_heap_size + heap.external_memory > memory * 2 ** 20) this.end(tooMuch)
    }, look).unref()
    void this.lost.then(() => clearInterval(timer))
  }

  #order(order: Order): void {
    this.#worker.postMessage(order)
  }

  /** A driver that waits for something hears of it; one that never lets go of the processor does not. */
  #giveUp(id: number): void {
    this.#order({ type: 'abort', id })
    if (this.#alive !== null || this.#loss !== null) return
    this.#alive = Promise.withResolvers()
    const late = setTimeout(
      () =>
        this.end(
          `its thread was ended: it did not let go of the processor for ${grace / 1000} s after the time of a call`,
        ),
      grace,
    )
    void this.#alive.promise.then(() => clearTimeout(late))
  }

  #hear(report: Report): void {
    switch (report.type) {
      case 'ready':
        this.#ready.resolve(report.manifest)
        break
      case 'unready':
        this.#ready.reject(unpackError(report.error))
        this.end('its driver did not load')
        break
      case 'answer':
        this.#pending.get(report.id)?.resolve(report.value)
        break
      case 'failure':
        this.#pending.get(report.id)?.reject(unpackError(report.error))
        break
      case 'log':
        this.#log[report.level](report.message)
        break
      case 'alive':
        this.#settleDoubt()
    }
  }

  #settleDoubt(): void {
    this.#alive?.resolve()
    this.#alive = null
  }

  /** The first reason is the true one. */
  #lose(reason: Error): void {
    if (this.#loss !== null) return
    this.#loss = reason
    this.#settleDoubt()
    this.#ready.reject(reason)
    for (const { reject } of this.#pending.values()) reject(reason)
    this.#lost.resolve(reason)
  }
}

function ended(reason: string): TsnetError {
  return new TsnetError('unavailable', 'driver-thread', reason)
}

function why(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code === 'ERR_WORKER_OUT_OF_MEMORY' ? tooMuch : `its thread has ended: ${message}`
}
