/** A driver in a thread of its own, which is started anew at the next call when it was lost. */
import type { Logger } from '../../log.ts'
import type { DriverContext } from '../api/context.ts'
import type { DriverDefinition } from '../api/driver.ts'
import type { Network, NetworkPart, NetworkPool, Sandbox } from '../api/network.ts'
import { type Kind, type ManifestPart, unpack } from './messages.ts'
import { Thread } from './thread.ts'

/** As `NetworkPart`, where `gatewayFor` cannot be answered at once. */
export interface IsolatedNetworkPart extends Omit<NetworkPart, 'gatewayFor'> {
  askGateway?(network: Network<never>, pool: NetworkPool, context: DriverContext): Promise<string>
}

export class IsolatedDriver {
  readonly #url: string
  readonly #log: Logger
  #thread: Thread | null = null
  #isClosed = false
  /** Called when a thread is lost, with all that the driver had in its memory. */
  onLoss: () => void = () => {}

  /** `url` is the driver's module. */
  constructor(url: string, log: Logger) {
    this.#url = url
    this.#log = log
  }

  /** Starts the thread. Rejects with what is wrong with the driver. */
  async load(): Promise<DriverDefinition> {
    const { settings, parts } = await this.#start().ready
    const loaded = Object.entries(parts).map(([kind, part]) => [kind, this.#part(kind as Kind, part)])
    return { ...settings, ...Object.fromEntries(loaded) } as DriverDefinition
  }

  /** Calls that are under way may end. */
  close(): void {
    this.#isClosed = true
    this.#endIdle()
  }

  #start(): Thread {
    const thread = new Thread(this.#url, this.#log)
    this.#thread = thread
    void thread.lost.then((error) => {
      if (this.#isClosed) return
      this.#log.error({ err: error }, 'the thread of a driver has ended: the next call starts it anew')
      this.onLoss()
    })
    return thread
  }

  #part(kind: Kind, { verbs, settings }: ManifestPart): object {
    const functions = verbs.map((verb) => [
      verb === 'gatewayFor' ? 'askGateway' : verb,
      (...args: unknown[]) => this.#call(kind, verb, args.slice(0, -1), args.at(-1) as DriverContext),
    ])
    const values = Object.entries(settings).map(([name, value]) => [name, unpack(value)])
    return Object.fromEntries([...values, ...functions])
  }

  async #call(kind: Kind, verb: string, args: readonly unknown[], context: DriverContext): Promise<unknown> {
    try {
      const thread = await this.#living()
      return await thread.call(kind, verb, args.map(cloneable), context.signal)
    } finally {
      if (this.#isClosed) this.#endIdle()
    }
  }

  /** Waits for one that may be lost: it would take this call with it. */
  async #living(): Promise<Thread> {
    await this.#thread?.doubt
    const thread = this.#thread === null || this.#thread.isLost ? this.#start() : this.#thread
    await thread.ready
    return thread
  }

  #endIdle(): void {
    if (this.#thread?.isIdle === true) this.#thread.end('another version has taken its place')
  }
}

/** Of a sandbox the thread gets the file, and opens it for itself. */
function cloneable(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('netns' in value)) return value
  const { id, path } = value as Sandbox
  return { id, path }
}
