/** What the kernel of a host tells of entries for hardware addresses behind other hosts. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { TestDaemon } from '../test/helpers/daemon.ts'
import { endProcess } from './command.ts'

export class FdbWatch implements AsyncDisposable {
  readonly #monitor: ChildProcess
  /** Milliseconds since 1970 at which an address was last told to be behind a host. */
  readonly #heard = new Map<string, number>()
  readonly #waiting = new Map<string, () => void>()

  private constructor(monitor: ChildProcess) {
    this.#monitor = monitor
    createInterface({ input: monitor.stdout as Readable }).on('line', (line) => {
      const [, mac] = /^([0-9a-f:]{17}) .*\bdst /.exec(line) ?? []
      if (mac === undefined) return
      this.#heard.set(mac, performance.timeOrigin + performance.now())
      this.#waiting.get(mac)?.()
      this.#waiting.delete(mac)
    })
  }

  static async start({ netns }: TestDaemon): Promise<FdbWatch> {
    const args = [`--net=/run/netns/${netns}`, 'stdbuf', '-oL', 'bridge', 'monitor', 'fdb']
    const monitor = spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(monitor, 'spawn')
    // the program says nothing when it listens
    await new Promise((resolve) => setTimeout(resolve, 200))
    return new FdbWatch(monitor)
  }

  heardAt(mac: string): number | undefined {
    return this.#heard.get(mac)
  }

  /** Resolves when the address is told of from now on, with the moment. */
  async next(mac: string): Promise<number> {
    await new Promise<void>((resolve) => this.#waiting.set(mac, resolve))
    return this.#heard.get(mac)!
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endProcess(this.#monitor)
  }
}

/** How many entries lead to other hosts on a network, 0 where the host has no device for it. */
export function countEntries({ netns }: TestDaemon, network: string): number {
  const name = `vx-${network.slice(0, 12)}`
  const links = execFileSync('ip', ['-n', netns, '-br', 'link', 'show', 'type', 'vxlan'], {
    encoding: 'utf8',
  })
  if (!links.includes(name)) return 0
  const args = ['-n', netns, 'fdb', 'show', 'dev', name]
  return execFileSync('bridge', args, { encoding: 'utf8', maxBuffer: 1 << 28 }).split(' dst ').length - 1
}
