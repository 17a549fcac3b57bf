/**
 * Processes that may hang, for what the daemon's thread and node's pool must not do: mounts, looks at paths of others, walks
 * through trees. Each runs one job at a time, and is killed when that is not done in time.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { TsnetError } from '../errors.ts'
import type { Input, JobName, Output } from './worker/jobs.ts'
import type { Failure, Reply } from './worker/protocol.ts'

export interface RunOptions {
  /** What is worked on, as the beginning of a sentence: `volume "data"`, `bind source /mnt/nfs`. */
  readonly subject: string
  /** Milliseconds without any sign of the job: its progress begins them anew. */
  readonly deadline: number
  /** Aborts by killing the worker. */
  readonly signal?: AbortSignal
  readonly progress?: (bytes: number, total: number) => void
  /** Gets what the job sends: all of it is there when `run` resolves. It is not ended, so that half of it never looks like the whole. */
  readonly sink?: Writable
}

/** A failure in a worker; `errno` is the name of what the kernel said, '' when it was not asked. */
export class WorkerError extends TsnetError {
  readonly errno: string

  constructor({ kind, code, message, errno }: Failure) {
    super(kind, code, message)
    this.errno = errno
  }
}

/** A worker that waits goes after this time. */
const idleMs = 30_000
/** Without any worker done for so long there is another: most jobs take less than a millisecond, and a start some 50. */
const queueMs = 100

export class Workers {
  readonly #program: string
  #idle: Worker | null = null
  readonly #busy = new Set<Worker>()
  /** Jobs that wait for a worker, in their order. */
  readonly #queue: PromiseWithResolvers<Worker>[] = []
  #growth: NodeJS.Timeout | null = null
  #expiry: NodeJS.Timeout | null = null

  /** `program` is the built worker. */
  constructor(program: string) {
    this.#program = program
  }

  /**
   * Runs a job in a worker of its own. Throws what the job throws, with kind and code; kind 'unavailable' when it takes too long
   * or its process dies; the signal's reason when that aborts.
   */
  async run<J extends JobName>(job: J, input: Input<J>, options: RunOptions): Promise<Output<J>> {
    options.signal?.throwIfAborted()
    const worker = await this.#take(options)
    try {
      options.signal?.throwIfAborted()
      return (await worker.run(job, input, options)) as Output<J>
    } finally {
      this.#busy.delete(worker)
      this.#putBack(worker)
    }
  }

  /** Kills what works and lets go of what waits. */
  close(): void {
    for (const worker of this.#busy) worker.kill()
    this.#idle?.dismiss()
    this.#idle = null
    if (this.#expiry !== null) clearTimeout(this.#expiry)
  }

  async #take({ sink }: RunOptions): Promise<Worker> {
    const idle = this.#idle
    this.#idle = null
    if (idle?.isFree) return this.#claim(idle)
    // A stream takes as long as who reads it: neither waits for others' jobs, nor they for it.
    const isSoonFree = sink === undefined && [...this.#busy].some((worker) => !worker.isStreaming)
    return isSoonFree ? await this.#nextFree() : this.#claim(new Worker(this.#program))
  }

  /** From now on nobody else takes it for idle, or finds that none is at work. */
  #claim(worker: Worker): Worker {
    this.#busy.add(worker)
    return worker
  }

  /** The next worker that is done with its job. While none is for some time there is one more, for who has waited longest. */
  #nextFree(): Promise<Worker> {
    const waiter = Promise.withResolvers<Worker>()
    this.#queue.push(waiter)
    this.#growth ??= setTimeout(() => this.#grow(), queueMs)
    return waiter.promise
  }

  /** One at a time: as many as there are jobs would keep each other from starting. */
  #grow(): void {
    this.#growth = null
    const waiter = this.#queue.shift()
    if (waiter === undefined) return
    try {
      waiter.resolve(this.#claim(new Worker(this.#program)))
    } catch (error) {
      // There is no memory for one.
      waiter.reject(error)
    }
    if (this.#queue.length > 0) this.#growth = setTimeout(() => this.#grow(), queueMs)
  }

  /** To who has waited longest; of two that nobody needs the one that has just worked stays. */
  #putBack(worker: Worker): void {
    if (!worker.isFree) worker.dismiss()
    else if (this.#queue.length === 0) this.#keep(worker)
    else {
      this.#growth?.refresh()
      this.#queue.shift()?.resolve(this.#claim(worker))
    }
  }

  #keep(worker: Worker): void {
    this.#idle?.dismiss()
    this.#idle = worker
    if (this.#expiry !== null) clearTimeout(this.#expiry)
    this.#expiry = setTimeout(() => {
      this.#idle?.dismiss()
      this.#idle = null
    }, idleMs).unref()
  }
}

interface Task {
  readonly job: JobName
  readonly options: RunOptions
  readonly timer: NodeJS.Timeout
  readonly done: PromiseWithResolvers<unknown>
  /** bytes that its sink has got */
  received: number
  /** The reply, which waits for the last of what was sent. */
  reply: { readonly output: unknown; readonly sent: number } | null
}

/** One process. */
class Worker {
  readonly #process: ChildProcess
  /** null when it could not be started, for want of descriptors. */
  readonly #requests: Socket | null
  #task: Task | null = null
  /** How it ended, the first that is heard of it. */
  #ended = ''
  #dead = false
  #rest = ''

  constructor(program: string) {
    const child = spawn(process.execPath, [...memoryFlags, program, String(process.pid)], {
      stdio: ['ignore', 'pipe', 'inherit', 'pipe', 'pipe'],
      cwd: '/',
      // a terminal's Ctrl-C is the daemon's
      detached: true,
    })
    this.#process = child
    child.on('error', (error) => this.#end(`could not be started: ${error.message}`))
    // after the last of its output and replies
    child.on('close', (code, signal) => this.#end(`ended (${signal ?? code})`))
    const pipes = child.stdio as ChildProcess['stdio'] | undefined
    this.#requests = (pipes?.[3] ?? null) as Socket | null
    if (this.#requests === null) return
    this.#requests.on('error', () => {})
    this.#listen(child.stdio[4] as Socket)
  }

  get isFree(): boolean {
    return !this.#dead && this.#task === null
  }

  get isStreaming(): boolean {
    return this.#task?.options.sink !== undefined
  }

  run(job: JobName, input: unknown, options: RunOptions): Promise<unknown> {
    const done = Promise.withResolvers<unknown>()
    const timer = setTimeout(() => this.#expire(), options.deadline)
    this.#task = { job, options, timer, done, received: 0, reply: null }
    if (options.sink !== undefined && this.#requests !== null) this.#drain(options.sink)
    options.signal?.addEventListener('abort', this.#abort)
    if (this.#ended !== '') this.#end(this.#ended)
    else this.#requests?.write(`${JSON.stringify({ job, input })}\n`)
    return done.promise
  }

  /** SIGKILL. A process in the middle of a call that cannot be interrupted goes when that returns: nobody waits for it. */
  kill(): void {
    this.#dead = true
    this.#process.kill('SIGKILL')
  }

  /** It reads the end of its requests, after the job. */
  dismiss(): void {
    this.#requests?.end()
  }

  get #stream(): Readable {
    return this.#process.stdout as Readable
  }

  #drain(sink: Writable): void {
    this.#stream.pipe(sink, { end: false })
    this.#stream.on('data', this.#count)
  }

  /** Called when the sink has got them. */
  readonly #count = ({ length }: Buffer): void => {
    if (this.#task === null) return
    this.#task.received += length
    this.#task.timer.refresh()
    this.#finish()
  }

  #listen(replies: Socket): void {
    replies.setEncoding('utf8')
    replies.on('error', () => {})
    replies.on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n')
      this.#rest = lines.pop() ?? ''
      for (const line of lines) this.#receive(JSON.parse(line) as Reply)
    })
  }

  #receive(reply: Reply): void {
    if (this.#task === null) return
    if ('progress' in reply) {
      this.#task.timer.refresh()
      this.#task.options.progress?.(...reply.progress)
    } else if ('error' in reply) this.#refuse(reply.error)
    else {
      this.#task.reply = reply
      this.#finish()
    }
  }

  #refuse(failure: Failure): void {
    // What it has sent already would be taken for the beginning of the next stream.
    if (this.isStreaming) this.#dead = true
    this.#settle()?.reject(new WorkerError(failure))
  }

  /** Once the reply is there and all that was sent. */
  #finish(): void {
    const { reply = null, received = 0 } = this.#task ?? {}
    if (reply !== null && reply.sent === received) this.#settle()?.resolve(reply.output)
  }

  readonly #abort = (): void => this.#fail(this.#task?.options.signal?.reason)

  #expire(): void {
    if (this.#task === null) return
    const { job, options } = this.#task
    this.#fail(
      new TsnetError(
        'unavailable',
        'volume-timeout',
        `${options.subject} did not answer within ${options.deadline / 1000} s: "${job}" was given up`,
      ),
    )
  }

  #fail(reason: unknown): void {
    if (this.#task === null) return
    this.kill()
    this.#settle()?.reject(reason)
  }

  #end(how: string): void {
    this.#dead = true
    this.#ended ||= how
    if (this.#task === null) return
    const { job, options } = this.#task
    this.#settle()?.reject(
      new TsnetError(
        'unavailable',
        'volume-worker-lost',
        `${options.subject}: the process for "${job}" ${how}: try again`,
      ),
    )
  }

  /** The task is over: returns by what its caller is told. */
  #settle(): PromiseWithResolvers<unknown> | undefined {
    const task = this.#task
    this.#task = null
    if (task === null) return undefined
    clearTimeout(task.timer)
    task.options.signal?.removeEventListener('abort', this.#abort)
    if (task.options.sink !== undefined && this.#requests !== null) this.#detach(task.options.sink)
    return task.done
  }

  #detach(sink: Writable): void {
    this.#stream.unpipe(sink)
    this.#stream.off('data', this.#count)
    this.#stream.pause()
  }
}

/** Many may run at a time, each holding little. */
const memoryFlags: readonly string[] = ['--max-semi-space-size=1', '--v8-pool-size=1']
