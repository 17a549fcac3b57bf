/** A tsnet daemon of a test's own: built program, own roots, own network namespace. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { listCgroups, removeCgroup, removeCgroupParent } from '../../src/sys/cgroup.ts'
import { addBareNetns } from './bare-netns.ts'

export const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

export interface Result {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: string | Buffer
  readonly env?: Readonly<Record<string, string>>
  readonly timeout?: number
}

/** Runs a command to its end; a non-zero exit is a result, not an error. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return new Promise((resolve) => {
    const child = execFile(
      command,
      [...args],
      { env: { ...process.env, ...options.env }, timeout: options.timeout ?? 60_000, maxBuffer: 64 << 20 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255
        resolve({ code, stdout, stderr })
      },
    )
    child.stdin?.on('error', () => {})
    child.stdin?.end(options.input ?? '')
  })
}

/** The docker client under test: TSNET_TEST_DOCKER, or the newest on the machine. */
export function dockerClient(): string {
  const chosen = process.env['TSNET_TEST_DOCKER']
  for (const path of chosen === undefined ? ['/usr/local/bin/docker', '/usr/bin/docker'] : [chosen]) {
    try {
      execFileSync(path, ['--version'], { stdio: 'ignore' })
      return path
    } catch {}
  }
  throw new Error('no docker client is on this machine: apt-get install docker.io')
}

/** What goes before a command that is to see another file as /etc/resolv.conf. */
function withResolvConf(file: string): string[] {
  return ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"', file]
}

export class TestDaemon {
  readonly netns: string
  readonly root: string
  readonly socket: string
  #process: ChildProcess | null = null
  #log = ''
  /** What it is started with, besides where its folders are. */
  readonly flags: readonly string[]
  readonly #env: Readonly<Record<string, string>>
  readonly #resolvConf: string

  private constructor(flags: readonly string[], env: Readonly<Record<string, string>>, resolvConf: string) {
    this.root = mkdtempSync(join(tmpdir(), 'tsnet-test-'))
    this.netns = this.root.slice(this.root.lastIndexOf('/') + 1)
    this.socket = join(this.root, 'exec', 'tsnet.sock')
    this.flags = flags
    this.#env = env
    this.#resolvConf = resolvConf
  }

  /**
   * Starts a daemon in a new network namespace in which only the loopback interface is up. With `resolvConf`, a file, it
   * sees that as /etc/resolv.conf, in a mount namespace of its own. `prepare` gets the namespace's name before the daemon is in it.
   */
  static async start(
    flags: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
    resolvConf = '',
    prepare: (netns: string) => void = () => {},
  ): Promise<TestDaemon> {
    const daemon = new TestDaemon(flags, env, resolvConf)
    addBareNetns(daemon.netns)
    try {
      prepare(daemon.netns)
      await daemon.launch()
    } catch (error) {
      await daemon.stop()
      throw error
    }
    return daemon
  }

  /** By which this daemon's things in the kernel are known. */
  get mark(): string {
    return `tsnet-${createHash('sha256').update(this.dataRoot).digest('hex').slice(0, 6)}`
  }

  get dataRoot(): string {
    return join(this.root, 'data')
  }

  get execRoot(): string {
    return join(this.root, 'exec')
  }

  /** What the daemon has logged since its last start. */
  get log(): string {
    return this.#log
  }

  get pid(): number {
    return this.#process?.pid ?? 0
  }

  /** Starts the daemon (again) and waits until it is ready. Throws with its log when it ends first. */
  async launch(env: Readonly<Record<string, string>> = {}, flags = this.flags): Promise<void> {
    const node = process.execPath
    const args = [
      `--net=/run/netns/${this.netns}`,
      ...(this.#resolvConf === '' ? [] : withResolvConf(this.#resolvConf)),
      node,
      join(repository, 'dist/daemon.mjs'),
      ...['--data-root', this.dataRoot, '--exec-root', this.execRoot],
      ...flags,
    ]
    const child = spawn('nsenter', args, {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.#env, ...env, TSNET_READY_FD: '3' },
    })
    this.#process = child
    this.#log = ''
    ;(child.stderr as Readable).on('data', (chunk: Buffer) => {
      this.#log += chunk.toString()
      if (process.env['TSNET_TEST_LOG']) process.stderr.write(chunk)
    })
    const ended = once(child, 'exit').then(() => {
      throw new Error(`the daemon ended: ${this.#log}`)
    })
    ended.catch(() => {})
    await Promise.race([once(child.stdio[3] as Readable, 'data'), ended])
  }

  /** SIGKILL, as a crash would be. Resolves when the process is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** SIGTERM, as an upgrade would be. Containers go on. */
  async terminate(): Promise<void> {
    await this.#end('SIGTERM')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process
    this.#process = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }

  /** Resolves when the daemon has ended by itself. */
  async ended(): Promise<void> {
    const child = this.#process
    if (child !== null && child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    this.#process = null
  }

  /** Removes all containers, ends daemon and supervisor, and takes everything of the test's away. */
  async stop(): Promise<void> {
    if (this.#process !== null) {
      const ids = (await this.docker('ps', '-aq')).stdout.split('\n').filter((id) => id !== '')
      if (ids.length > 0) await this.docker('rm', '-f', ...ids)
    }
    await this.terminate()
    for (const pid of this.processes()) tryKill(pid)
    await untilGone(() => this.processes())
    // Containers of a daemon that could not remove them any more.
    for (const id of listCgroups(this.mark)) removeCgroup(this.mark, id)
    removeCgroupParent(this.mark)
    for (const mount of mountsBelow(this.root)) execFileSync('umount', ['-l', mount])
    execFileSync('ip', ['netns', 'del', this.netns])
    rmSync(this.root, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Processes that name this daemon's exec-root: supervisor, daemon. Their children end with them or are containers. */
  processes(): number[] {
    return pids().filter((pid) => readText(`/proc/${pid}/cmdline`).includes(this.execRoot))
  }

  /** Throws when no supervisor runs. */
  supervisorPid(): number {
    const pid = this.processes().find((candidate) =>
      readText(`/proc/${candidate}/cmdline`).includes('supervisor.mjs'),
    )
    if (pid === undefined) throw new Error('there is no supervisor')
    return pid
  }

  /**
   * Milliseconds that daemon, supervisor and all whose end they have seen were on a processor: what a piece of work takes,
   * whatever else the machine does meanwhile. Counted in steps of 10.
   */
  processorTime(): number {
    return this.processes().reduce((sum, pid) => sum + processorTimeOf(pid), 0)
  }

  /** Runs a command inside the daemon's network namespace. */
  inNetns(command: string, args: readonly string[]): string {
    return execFileSync('nsenter', [`--net=/run/netns/${this.netns}`, command, ...args], { encoding: 'utf8' })
  }

  exec(command: string, ...args: string[]): Promise<Result> {
    return run('nsenter', [`--net=/run/netns/${this.netns}`, command, ...args])
  }

  /** The real docker client, pointed at this daemon. */
  docker(...args: string[]): Promise<Result> {
    return this.dockerWith({}, ...args)
  }

  dockerWith(options: RunOptions, ...args: string[]): Promise<Result> {
    const env = { ...options.env, DOCKER_HOST: `unix://${this.socket}` }
    return run('nsenter', [`--net=/run/netns/${this.netns}`, dockerClient(), ...args], { ...options, env })
  }

  /** The tsnet client as built. */
  tsnet(...args: string[]): Promise<Result> {
    return this.tsnetWith({}, ...args)
  }

  tsnetWith(options: RunOptions, ...args: string[]): Promise<Result> {
    const env = { ...options.env, TSNET_HOST: `unix://${this.socket}` }
    const command = [
      `--net=/run/netns/${this.netns}`,
      process.execPath,
      '--',
      join(repository, 'dist/cli.cjs'),
      ...args,
    ]
    return run('nsenter', command, { ...options, env })
  }

  /** A call of the API; the answer's body is parsed when it is JSON. */
  api(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    const payload = body === undefined ? '' : JSON.stringify(body)
    return new Promise((resolve, reject) => {
      const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(payload) }
      const request = httpRequest({ socketPath: this.socket, method, path, headers }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          resolve({ status: response.statusCode ?? 0, body: parseJson(text) })
        })
      })
      request.on('error', reject)
      request.end(payload)
    })
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** proc_pid_stat(5): utime, stime, cutime and cstime in ticks of 10 ms, 0 when it has ended. */
function processorTimeOf(pid: number): number {
  // The second field, a name in brackets, may have any character in it.
  const fields = readText(`/proc/${pid}/stat`).split(') ').at(-1)!.split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0)
}

function pids(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid)
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {}
}

async function untilGone(list: () => readonly unknown[]): Promise<void> {
  for (let attempt = 0; list().length > 0 && attempt < 500; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

function mountsBelow(root: string): string[] {
  return readText('/proc/self/mountinfo')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith(`${root}/`))
    .reverse()
}

/** The network namespace of a process, as its inode's name. */
export function netnsOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/ns/net`)
}

/** A tar archive of a root file system that holds busybox and its links. */
export function busyboxArchive(): Buffer {
  const root = mkdtempSync(join(tmpdir(), 'tsnet-rootfs-'))
  try {
    for (const folder of ['bin', 'etc', 'tmp', 'data', 'var/www'])
      mkdirSync(join(root, folder), { recursive: true })
    const program = join(root, 'bin/busybox')
    copyFileSync('/bin/busybox', program)
    const applets = execFileSync(program, ['--list'], { encoding: 'utf8' }).trim().split('\n')
    for (const applet of applets) if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet))
    writeFileSync(
      join(root, 'etc/passwd'),
      'root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000::/home/web:/bin/sh\n',
    )
    writeFileSync(join(root, 'etc/group'), 'root:x:0:\nweb:x:1000:\nextra:x:2000:web\n')
    writeFileSync(join(root, 'data/seed'), 'from-image\n')
    chownSync(join(root, 'data/seed'), 1000, 1000)
    chmodSync(join(root, 'tmp'), 0o1777)
    return execFileSync('tar', ['-C', root, '-cf', '-', '.'], { maxBuffer: 64 << 20 })
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}
