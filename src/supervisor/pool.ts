/**
 * Warm inits: Node processes that have loaded everything and wait for a plan, each already PID 1 of a PID namespace of
 * its own. unshare(2) puts the next child into a new PID namespace; nothing else of the supervisor may be forked until
 * setns(2) has put it back, so all three calls happen in one synchronous turn.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { InitMessage, InitPlan } from '../init/steps.ts'
import { CLONE_NEWPID } from '../sys/constants/sched.ts'
import { setns, unshare } from '../sys/process.ts'
import { LineSplitter } from './lines.ts'
import { defaultPatience, watchInit } from './patience.ts'

/** What a shell ends with when the failure is not the program's, as init does. */
const exitFailed = 128

/** How a start went: `failed` carries init's own words. */
export type Outcome =
  | { readonly kind: 'running' }
  | { readonly kind: 'failed'; readonly message: string; readonly exitCode: number }

/** One init process, from idle to whatever program it becomes. */
export class Init {
  readonly process: ChildProcess
  /** Resolves with 128 + signal for a signal's death. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  readonly #plans: Socket
  readonly #outcome = Promise.withResolvers<Outcome>()
  /** Called when init wants a terminal; returns its number. */
  openTerminal: () => number = () => {
    throw new Error('no terminal was planned')
  }

  constructor(child: ChildProcess) {
    this.process = child
    this.#plans = child.stdio[3] as Socket
    // The process may be gone before it has read its plan; its exit tells.
    this.#plans.on('error', () => {})
    const messages = child.stdio[4] as Socket
    const lines = new LineSplitter()
    messages.on('data', (chunk: Buffer) => {
      for (const line of lines.push(chunk)) this.#receive(JSON.parse(line) as InitMessage)
    })
    messages.on('error', () => {})
    messages.on('close', () => this.#outcome.resolve({ kind: 'running' }))
    this.exited = new Promise((resolve) => {
      child.on('exit', (code, signal) => resolve({ code, signal }))
      child.on('error', (error) => {
        this.#fail(`init could not be started: ${error.message}`)
        resolve({ code: exitFailed, signal: null })
      })
    })
  }

  get pid(): number {
    return this.process.pid ?? 0
  }

  get isAlive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null && this.pid > 0
  }

  #receive(message: InitMessage): void {
    if ('terminal' in message) this.#giveTerminal()
    else this.#fail(message.error.message, message.error.exitCode)
  }

  #fail(message: string, exitCode = exitFailed): void {
    this.#outcome.resolve({ kind: 'failed', message, exitCode })
  }

  #giveTerminal(): void {
    try {
      this.#plans.write(`${JSON.stringify({ terminal: this.openTerminal() })}\n`)
    } catch (error) {
      this.#fail(`the terminal could not be opened: ${(error as Error).message}`)
      this.dismiss()
    }
  }

  /**
   * Hands the plan over; resolves when the program runs or init has said why not. It is killed when it does not come further
   * for `patience` ms.
   */
  async run(plan: InitPlan, patience = defaultPatience): Promise<Outcome> {
    this.#plans.write(`${JSON.stringify(plan)}\n`)
    const endWatch = watchInit(this.pid, plan, patience, (why) => {
      this.#fail(why)
      this.process.kill('SIGKILL')
    })
    try {
      return await this.#outcome.promise
    } finally {
      endWatch()
    }
  }

  /** Resolves when it has exited, or after `time` ms. */
  async ended(time: number): Promise<void> {
    const late = Promise.withResolvers<void>()
    const timer = setTimeout(late.resolve, time)
    await Promise.race([this.exited, late.promise])
    clearTimeout(timer)
  }

  /** Ends an init that waits: it reads the end of its input. */
  dismiss(): void {
    this.#plans.end()
  }
}

/**
 * MiB. An init lives too briefly to be worth a collection of its garbage: one that comes in the middle of a plan waits for threads of
 * V8's, which get a processor late when many containers start, and the first such wait sleeps 3 ms to measure the clock.
 */
const initFlags: readonly string[] = ['--min-semi-space-size=4']

const ownPidNamespace = openSync('/proc/self/ns/pid', 'r')

/** Spawns an init as PID 1 of a new PID namespace, or into the one of the process `into`. */
export function spawnInit(initPath: string, into = 0): Init {
  if (into === 0) unshare(CLONE_NEWPID)
  else enterPidNamespace(into)
  try {
    const child = spawn(process.execPath, [...initFlags, initPath], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'],
      cwd: '/',
      detached: false,
    })
    return new Init(child)
  } finally {
    setns(ownPidNamespace, CLONE_NEWPID)
  }
}

function enterPidNamespace(pid: number): void {
  const fd = openSync(`/proc/${pid}/ns/pid`, 'r')
  try {
    setns(fd, CLONE_NEWPID)
  } finally {
    closeSync(fd)
  }
}

/** Keeps `size` inits waiting. */
export class InitPool {
  readonly #initPath: string
  readonly #size: number
  readonly #idle: Init[] = []
  #closed = false

  constructor(initPath: string, size: number) {
    this.#initPath = initPath
    this.#size = size
  }

  /** Spawns what is missing, one process each turn, so that requests get between. */
  refill(): void {
    if (this.#closed || this.#idle.length >= this.#size) return
    try {
      this.#idle.push(spawnInit(this.#initPath))
    } catch (error) {
      // A machine short of processes or memory: the next start tries for itself, and says why it fails.
      process.stderr.write(`tsnet supervisor: no warm init: ${(error as Error).message}\n`)
      return
    }
    setImmediate(() => this.refill())
  }

  /** A warm init, or a cold one when all are taken. */
  take(): Init {
    for (let init = this.#idle.shift(); init !== undefined; init = this.#idle.shift()) {
      if (init.isAlive) return init
    }
    return spawnInit(this.#initPath)
  }

  close(): void {
    this.#closed = true
    for (const init of this.#idle.splice(0)) init.dismiss()
  }
}
