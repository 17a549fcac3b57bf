/**
 * Sees to it that this host's lease in its cluster outlives the daemon as long as containers that stand under it run: when the daemon's
 * connection closes a process is started that keeps it alive (cluster/keeper.ts), and ended when a daemon has the lease again.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { KeepParams } from './protocol.ts'

/** A daemon that is only exchanged is back before the process would be of use; milliseconds. */
const longestDelay = 1000

export interface LeaseKeeperOptions {
  /** The built keeper. */
  readonly program: string
  /** Whether a container's program runs. */
  readonly runs: (container: string) => boolean
}

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions
  #order: KeepParams | null = null
  /** The endpoints that stand under the lease, and whose they are. */
  #endpoints = new Map<string, string>()
  #isAlone = false
  #next: NodeJS.Timeout | null = null
  #process: ChildProcess | null = null

  constructor(options: LeaseKeeperOptions) {
    this.#options = options
  }

  /** Whether something stands under the lease that goes on without the daemon. */
  get isNeeded(): boolean {
    if (this.#order === null) return false
    return this.#endpoints.values().some((container) => container === '' || this.#options.runs(container))
  }

  /** A daemon has the lease, or none: what it says takes the place of all that was known. */
  keep(order: KeepParams | null): void {
    this.#isAlone = false
    this.#end()
    this.#order = order
    this.#endpoints = new Map(order?.endpoints)
  }

  /** Of an endpoint that came, or went (null). */
  keepFor(endpoint: string, container: string | null): void {
    if (container === null) this.#endpoints.delete(endpoint)
    else this.#endpoints.set(endpoint, container)
  }

  /** The daemon is gone. Safe to repeat. */
  daemonLeft(): void {
    if (this.#isAlone || this.#order === null) return
    this.#isAlone = true
    this.#startIn(Math.min(longestDelay, this.#order.time / 20))
  }

  /** A container has ended. */
  look(): void {
    if (this.#isAlone && !this.isNeeded) this.#giveUp()
  }

  #startIn(delay: number): void {
    this.#next = setTimeout(() => this.#start(), delay)
  }

  #start(): void {
    if (!this.isNeeded) {
      this.#giveUp()
      return
    }
    const child = spawn(process.execPath, [...memoryFlags, this.#options.program], {
      stdio: ['pipe', 'ignore', 'inherit'],
      cwd: '/',
    })
    this.#process = child
    child.stdin?.on('error', () => {})
    child.stdin?.write(`${this.#order?.order}\n`)
    child.on('error', () => this.#ended(child, 1))
    child.on('exit', (code) => this.#ended(child, code))
  }

  /** It ends well when there is no lease any more; one that was killed has a successor. */
  #ended(child: ChildProcess, code: number | null): void {
    if (this.#process !== child) return
    this.#process = null
    if (code === 0) this.#giveUp()
    else this.#startIn((this.#order?.time ?? 0) / 5)
  }

  /** Nothing is left to be kept: the next daemon begins anew. */
  #giveUp(): void {
    this.#end()
    this.#order = null
    this.#isAlone = false
  }

  #end(): void {
    if (this.#next !== null) clearTimeout(this.#next)
    this.#next = null
    this.#process?.stdin?.end()
    this.#process = null
  }
}

/** As the supervisor's own: it holds little, and may live long. */
const memoryFlags: readonly string[] = ['--max-semi-space-size=1', '--v8-pool-size=1']
