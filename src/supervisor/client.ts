/** The daemon's end of the conversation with the supervisor: starts it when none answers, and again when it dies. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { LineSplitter } from './lines.ts'
import {
  type ExitEvent,
  type ExitRecord,
  type Failure,
  type Method,
  type Methods,
  type Reply,
  type StreamRequest,
  socketPath,
} from './protocol.ts'

/** A failure of the supervisor's side; `exitCode` is set when a program could not be started. */
export class SupervisorError extends TsnetError {
  readonly exitCode: number

  constructor(failure: Failure) {
    super(failure.kind, failure.code, failure.message)
    this.exitCode = failure.exitCode
  }
}

export interface SupervisorOptions {
  readonly execRoot: string
  /** The built supervisor program. */
  readonly program: string
  /** How many inits it keeps warm. */
  readonly initPool: number
  readonly log: Logger
  readonly onExit: (exit: ExitRecord) => void
  /** A supervisor that died has been replaced: what it announces is incomplete, `list` tells the truth. */
  readonly onReplaced: () => void
}

export class Supervisor {
  readonly #options: SupervisorOptions
  #connection: Socket
  #nextId = 1
  readonly #pending = new Map<number, PromiseWithResolvers<unknown> & { readonly method: Method }>()
  /** Pending while a dead supervisor is being replaced. */
  #ready: Promise<void> = Promise.resolve()
  #closed = false

  private constructor(options: SupervisorOptions, connection: Socket) {
    this.#options = options
    this.#connection = connection
    this.#listen(connection)
  }

  /** Connects, starting a supervisor when none answers. Throws kind 'unavailable' when it does not come up. */
  static async connect(options: SupervisorOptions): Promise<Supervisor> {
    return new Supervisor(options, await connectOrStart(options))
  }

  #listen(connection: Socket): void {
    const lines = new LineSplitter()
    connection.on('data', (chunk: Buffer) => {
      for (const line of lines.push(chunk)) this.#receive(JSON.parse(line) as Reply | ExitEvent)
    })
    connection.on('error', () => connection.destroy())
    connection.on('close', () => {
      this.#ready = this.#replace()
    })
    connection.resume()
  }

  #receive(message: Reply | ExitEvent): void {
    if ('event' in message) {
      this.#options.onExit(message.exit)
      return
    }
    const pending = this.#pending.get(message.id)
    this.#pending.delete(message.id)
    if ('error' in message) pending?.reject(new SupervisorError(message.error))
    else pending?.resolve(message.result)
  }

  async #replace(): Promise<void> {
    for (const { method, reject } of this.#pending.values()) {
      reject(
        new TsnetError('unavailable', 'supervisor-lost', `the supervisor died during "${method}": try again`),
      )
    }
    this.#pending.clear()
    if (this.#closed) return
    this.#options.log.warn('the supervisor is gone: starting another')
    try {
      this.#connection = await connectOrStart(this.#options)
      this.#listen(this.#connection)
      this.#options.onReplaced()
    } catch (error) {
      this.#options.log.error({ err: error }, 'no supervisor')
    }
  }

  /** When no supervisor could be started the last time, each call tries anew. */
  async #connected(): Promise<void> {
    const ready = this.#ready
    await ready
    if (this.#connection.destroyed && !this.#closed && this.#ready === ready) this.#ready = this.#replace()
    await this.#ready
  }

  async call<M extends Method>(method: M, params: Methods[M]['params']): Promise<Methods[M]['result']> {
    await this.#connected()
    if (this.#connection.destroyed) {
      throw new TsnetError(
        'unavailable',
        'supervisor-lost',
        `no supervisor for "${method}": see the daemon's log`,
      )
    }
    const id = this.#nextId++
    const pending = Promise.withResolvers<unknown>()
    this.#pending.set(id, { ...pending, method })
    this.#connection.write(`${JSON.stringify({ id, method, params })}\n`)
    return (await pending.promise) as Methods[M]['result']
  }

  /** A connection that carries the program's output and input. Resolves when the supervisor has taken it up. */
  async attach(request: StreamRequest): Promise<Socket> {
    await this.#connected()
    const connection = await open(this.#options.execRoot, true)
    connection.write(`${JSON.stringify(request)}\n`)
    await once(connection, 'readable')
    // The answer is one newline; anything after it is output already.
    connection.read(1)
    return connection
  }

  /** Lets go of the supervisor, which goes on; with `shutdown` it ends if it has nothing to look after. */
  async close(shutdown: boolean): Promise<void> {
    this.#closed = true
    if (shutdown && !this.#connection.destroyed) await this.call('shutdown', null).catch(() => null)
    this.#connection.destroy()
  }
}

/** `allowHalfOpen`: a stream's client may end its input and go on reading; requests end with the supervisor. */
async function open(execRoot: string, allowHalfOpen: boolean): Promise<Socket> {
  const connection = connect({ path: socketPath(execRoot), allowHalfOpen })
  await once(connection, 'connect')
  return connection
}

async function connectOrStart(options: SupervisorOptions): Promise<Socket> {
  try {
    return await openAnswered(options.execRoot)
  } catch {
    await start(options)
    return await openAnswered(options.execRoot)
  }
}

/** A dying supervisor's socket still takes connections: only its answer (to nobody's request) shows that one lives. */
async function openAnswered(execRoot: string): Promise<Socket> {
  const connection = await open(execRoot, false)
  connection.write(`${JSON.stringify({ id: 0, method: 'list', params: null })}\n`)
  await once(connection, 'readable')
  if (connection.readableLength > 0) return connection
  connection.destroy()
  throw new TsnetError('unavailable', 'supervisor-lost', 'the supervisor does not answer')
}

/** Detached and in a session of its own, so that it outlives the daemon. Resolves when it listens. */
async function start({ execRoot, program, initPool }: SupervisorOptions): Promise<void> {
  mkdirSync(execRoot, { recursive: true, mode: 0o711 })
  const log = openSync(`${execRoot}/supervisor.log`, 'a', 0o640)
  const child = spawn(
    process.execPath,
    [...memoryFlags, program, '--exec-root', execRoot, '--init-pool', String(initPool)],
    { detached: true, stdio: ['ignore', 'pipe', log], cwd: '/' },
  )
  closeSync(log)
  const ended = once(child, 'exit').then(() => {
    throw new TsnetError(
      'unavailable',
      'supervisor-failed',
      `the supervisor did not start: see ${execRoot}/supervisor.log`,
    )
  })
  ended.catch(() => {})
  const output = child.stdout as Readable
  await Promise.race([once(output, 'data'), ended])
  output.destroy()
  child.unref()
}

/** The supervisor's heap holds little and lives long. */
const memoryFlags: readonly string[] = ['--max-semi-space-size=1', '--v8-pool-size=1']
