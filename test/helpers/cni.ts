/** CNI plugins called as a runtime calls them, and sandboxes for them. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { repository, run } from './daemon.ts'

export const tsnetCni = join(repository, 'tsnet-cni')

export interface CniRequest {
  readonly containerId: string
  /** '' for a namespace that is gone */
  readonly netns: string
  readonly config: object
  readonly interfaceName?: string
  readonly args?: string
}

export interface CniAnswer {
  readonly code: number
  /** What was printed, parsed; null for nothing. */
  readonly json: unknown
}

/** A runtime whose plugins work in the network namespace called `host`. */
export class Runtime {
  readonly #host: string
  readonly #program: string
  readonly #sandboxes = new Set<string>()

  constructor(host: string, program = tsnetCni) {
    this.#host = host
    this.#program = program
  }

  async call(command: string, request: CniRequest): Promise<CniAnswer> {
    const { containerId, netns, config, interfaceName = 'eth0', args = '' } = request
    const env = environment(command, { containerId, netns, interfaceName, args })
    const input = JSON.stringify(config)
    const { code, stdout, stderr } = await run('nsenter', [`--net=/run/netns/${this.#host}`, this.#program], {
      env,
      input,
    })
    if (stderr !== '') throw new Error(`${command} ${containerId}: ${stderr}`)
    return { code, json: stdout === '' ? null : JSON.parse(stdout) }
  }

  /** Begins a call and kills the plugin with what it has started after so many milliseconds. */
  async cut(command: string, request: CniRequest, after: number): Promise<void> {
    const { containerId, netns, config, interfaceName = 'eth0', args = '' } = request
    const child = spawn('nsenter', [`--net=/run/netns/${this.#host}`, this.#program], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { ...process.env, ...environment(command, { containerId, netns, interfaceName, args }) },
    })
    const ended = once(child, 'exit')
    child.stdin.on('error', () => {})
    child.stdin.end(JSON.stringify(config))
    await Promise.race([ended, sleep(after)])
    if (child.exitCode === null) process.kill(-child.pid!, 'SIGKILL')
    await ended
  }

  /** As `call`; throws when the plugin fails. */
  async ask<T>(command: string, request: CniRequest): Promise<T> {
    const { code, json } = await this.call(command, request)
    if (code !== 0) throw new Error(`${command} ${request.containerId}: ${JSON.stringify(json)}`)
    return json as T
  }

  /** A network namespace of that name beside the host's; its path. */
  sandbox(name: string): string {
    const whole = `${this.#host}-${name}`
    execFileSync('ip', ['netns', 'add', whole])
    this.#sandboxes.add(whole)
    return `/run/netns/${whole}`
  }

  inside(name: string, ...argv: string[]): string {
    return execFileSync('ip', ['netns', 'exec', `${this.#host}-${name}`, ...argv], { encoding: 'utf8' })
  }

  removeSandbox(name: string): void {
    const whole = `${this.#host}-${name}`
    if (this.#sandboxes.delete(whole)) execFileSync('ip', ['netns', 'del', whole])
  }

  clear(): void {
    for (const whole of this.#sandboxes) execFileSync('ip', ['netns', 'del', whole])
    this.#sandboxes.clear()
  }
}

function environment(
  command: string,
  { containerId, netns, interfaceName, args }: Required<Omit<CniRequest, 'config'>>,
): Record<string, string> {
  return {
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns,
    CNI_IFNAME: interfaceName,
    CNI_ARGS: args,
    CNI_PATH: '/usr/lib/cni',
  }
}
