/** Real etcd servers of a test's own: one, or a cluster of three, on loopback addresses or in namespaces of hosts. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Certificates } from './certificates.ts'

const run = promisify(execFile)

/** Where a server runs, and where it listens: on ports 2379 for clients and 2380 for its peers. */
export interface EtcdPlace {
  /** A name for `ip netns exec`; '' for the namespace that the test has entered. */
  readonly netns: string
  /** An address of that namespace, IPv6 without brackets. */
  readonly address: string
}

export interface EtcdOptions {
  /** Default: one server on 127.0.0.1 of the present namespace, which must not be the machine's. */
  readonly places?: readonly EtcdPlace[]
  /** Servers talk TLS to clients, who must show certificates of the same authority. */
  readonly tls?: Pick<Certificates, 'ca' | 'server' | 'client'>
  /** bytes, after which etcd raises the alarm NOSPACE */
  readonly quota?: number
}

/** Three servers on loopback addresses of the present namespace. */
export const threePlaces: readonly EtcdPlace[] = ['127.0.0.1', '127.0.0.2', '127.0.0.3'].map((address) => ({
  netns: '',
  address,
}))

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address)

export class Etcd implements AsyncDisposable {
  readonly #root = mkdtempSync(join(tmpdir(), 'tsnet-etcd-'))
  readonly #options: EtcdOptions
  readonly #places: readonly EtcdPlace[]
  readonly #processes = new Map<number, ChildProcess>()
  #login: readonly string[] = []

  private constructor(options: EtcdOptions) {
    this.#options = options
    this.#places = options.places ?? threePlaces.slice(0, 1)
  }

  /** Resolves when all servers serve clients. */
  static async start(options: EtcdOptions = {}): Promise<Etcd> {
    const etcd = new Etcd(options)
    try {
      await etcd.launchAll()
    } catch (error) {
      await etcd.stop()
      throw error
    }
    return etcd
  }

  /** address:port of each server. */
  get endpoints(): readonly string[] {
    return this.#places.map(({ address }) => `${bracketed(address)}:2379`)
  }

  /** As --cluster takes it; with the certificates' files where the servers want TLS. */
  url(parameters: Readonly<Record<string, string>> = {}): string {
    const { tls } = this.#options
    const files = tls === undefined ? {} : { ca: tls.ca, cert: tls.client.cert, key: tls.client.key }
    const query = Object.entries({ ...files, ...parameters }).map(([name, value]) => `${name}=${value}`)
    return `etcd://${this.endpoints.join(',')}${query.length === 0 ? '' : `?${query.join('&')}`}`
  }

  /** Starts a server with what it has on disk; resolves when it serves clients, for which it needs a majority. */
  async launch(index: number): Promise<void> {
    const place = this.#places[index]!
    if (place.netns === '' && isMachinesNetns())
      throw new Error('etcd must not run in the machine’s namespace')
    const command = ['/usr/bin/etcd', ...this.#flags(index)]
    const [file = '', ...args] =
      place.netns === '' ? command : ['nsenter', `--net=/run/netns/${place.netns}`, ...command]
    const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#processes.set(index, child)
    await ready(child)
  }

  async launchAll(): Promise<void> {
    await Promise.all(this.#places.map((_, index) => this.launch(index)))
  }

  #flags(index: number): string[] {
    const { tls, quota } = this.#options
    const scheme = tls === undefined ? 'http' : 'https'
    const at = (place: EtcdPlace, port: number, by: string) => `${by}://${bracketed(place.address)}:${port}`
    const place = this.#places[index]!
    const peers = this.#places.map((peer, number) => `etcd${number}=${at(peer, 2380, 'http')}`)
    return [
      ...['--name', `etcd${index}`, '--data-dir', join(this.#root, `etcd${index}`), '--logger', 'zap'],
      ...[
        '--listen-client-urls',
        at(place, 2379, scheme),
        '--advertise-client-urls',
        at(place, 2379, scheme),
      ],
      ...[
        '--listen-peer-urls',
        at(place, 2380, 'http'),
        '--initial-advertise-peer-urls',
        at(place, 2380, 'http'),
      ],
      ...['--initial-cluster', peers.join(',')],
      ...['--heartbeat-interval', '50', '--election-timeout', '500'],
      ...(quota === undefined ? [] : ['--quota-backend-bytes', String(quota)]),
      ...(tls === undefined ? [] : ['--client-cert-auth', '--trusted-ca-file', tls.ca]),
      ...(tls === undefined ? [] : ['--cert-file', tls.server.cert, '--key-file', tls.server.key]),
    ]
  }

  /** Ends a server at once, as a loss of power does. */
  async kill(index: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#processes.get(index)
    this.#processes.delete(index)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    if (signal === 'SIGSTOP') this.#processes.set(index, child)
    else await ended
  }

  async killAll(): Promise<void> {
    await Promise.all(this.#places.map((_, index) => this.kill(index)))
  }

  /** A server that neither answers nor closes its connections, until `resume`. */
  async freeze(index: number): Promise<void> {
    await this.kill(index, 'SIGSTOP')
  }

  resume(index: number): void {
    this.#processes.get(index)?.kill('SIGCONT')
  }

  async freezeAll(): Promise<void> {
    await Promise.all(this.#places.map((_, index) => this.freeze(index)))
  }

  resumeAll(): void {
    for (const index of this.#places.keys()) this.resume(index)
  }

  /** Runs etcdctl beside the first server that runs. */
  async ctl(...args: readonly string[]): Promise<string> {
    return await this.#ctlAt(this.endpoints.join(','), args)
  }

  async #ctlAt(endpoints: string, args: readonly string[]): Promise<string> {
    const { tls } = this.#options
    const files =
      tls === undefined ? [] : ['--cacert', tls.ca, '--cert', tls.client.cert, '--key', tls.client.key]
    const scheme = tls === undefined ? 'http' : 'https'
    const urls = endpoints.split(',').map((endpoint) => `${scheme}://${endpoint}`)
    const command = ['etcdctl', '--endpoints', urls.join(','), ...files, ...this.#login, ...args]
    const netns = this.#places[0]!.netns
    const [file = '', ...rest] = netns === '' ? command : ['nsenter', `--net=/run/netns/${netns}`, ...command]
    const { stdout } = await run(file, rest, {
      env: { ...process.env, ETCDCTL_API: '3' },
      timeout: 30_000,
      maxBuffer: 1 << 28,
    })
    return stdout
  }

  async #status(index: number): Promise<{ leader: string; id: string; revision: number }> {
    const text = await this.#ctlAt(this.endpoints[index]!, ['endpoint', 'status', '-w', 'json'])
    // member ids are larger than what JSON.parse keeps exact
    const [, id = '', revision = '0'] = /"member_id":(\d+),"revision":(\d+)/.exec(text) ?? []
    const [, leader = ''] = /"leader":(\d+)/.exec(text) ?? []
    return { leader, id, revision: Number(revision) }
  }

  /** The index of the server that leads the others. */
  async leader(): Promise<number> {
    for (let attempt = 0; attempt < 100; attempt += 1) {
      for (const index of this.#processes.keys()) {
        const { leader, id } = await this.#status(index)
        if (leader === id) return index
      }
      await sleep(50)
    }
    throw new Error('no server leads')
  }

  /** Forgets what was before the present revision. */
  async compact(): Promise<void> {
    const [first = 0] = this.#processes.keys()
    const { revision } = await this.#status(first)
    await this.ctl('compact', '--physical', String(revision))
  }

  async defragment(): Promise<void> {
    await this.ctl('defrag')
  }

  /** Kills all servers and forgets what they kept. */
  async wipe(): Promise<void> {
    await this.killAll()
    for (const name of readdirSync(this.#root)) rmSync(join(this.#root, name), { recursive: true })
  }

  /** Copies what the servers, which must not run, have on disk; `restore` puts it back. */
  keep(): void {
    cpSync(this.#root, `${this.#root}.kept`, { recursive: true })
  }

  async restore(): Promise<void> {
    await this.wipe()
    cpSync(`${this.#root}.kept`, this.#root, { recursive: true })
  }

  /** Keys and values below a prefix. */
  async read(prefix: string): Promise<ReadonlyMap<string, string>> {
    const text = await this.ctl('get', '--prefix', prefix, '-w', 'json')
    const { kvs = [] } = JSON.parse(text) as { kvs?: readonly { key: string; value?: string }[] }
    const decode = (value = '') => Buffer.from(value, 'base64').toString()
    return new Map(kvs.map(({ key, value }) => [decode(key), decode(value)]))
  }

  /** Makes users who may use what is below `prefix`, each by a role of that name, and lets nobody in any more without a password. */
  async requirePasswords(passwords: Readonly<Record<string, string>>, prefix: string): Promise<void> {
    await this.ctl('user', 'add', 'root:root-password')
    await this.ctl('user', 'grant-role', 'root', 'root')
    for (const [name, password] of Object.entries(passwords)) {
      await this.ctl('role', 'add', name)
      await this.permit(name, 'readwrite', prefix)
      await this.#addUser(name, password)
    }
    await this.ctl('auth', 'enable')
    this.#login = ['--user', 'root:root-password']
  }

  async #addUser(name: string, password: string): Promise<void> {
    await this.ctl('user', 'add', `${name}:${password}`)
    await this.ctl('user', 'grant-role', name, name)
  }

  /** Instead of what the user was permitted below `prefix` before. */
  async permit(name: string, kind: 'read' | 'readwrite', prefix: string): Promise<void> {
    await this.ctl('role', 'grant-permission', '--prefix=true', name, kind, prefix)
  }

  /** Makes the user anew. */
  async replaceUser(name: string, password: string): Promise<void> {
    await this.ctl('user', 'delete', name)
    await this.#addUser(name, password)
  }

  /** Ends all servers and removes what they kept. */
  async stop(): Promise<void> {
    await this.killAll()
    for (const folder of [this.#root, `${this.#root}.kept`]) rmSync(folder, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/** The process that started this one has not left it. */
function isMachinesNetns(): boolean {
  return readlinkSync('/proc/thread-self/ns/net') === readlinkSync(`/proc/${process.ppid}/ns/net`)
}

/** A server says so once it is a member of a cluster with a leader. */
async function ready(child: ChildProcess): Promise<void> {
  let log = ''
  const serves = new Promise<void>((resolve) => {
    ;(child.stderr as Readable).on('data', (chunk: Buffer) => {
      if (log.length < 1 << 20) log += chunk.toString()
      if (process.env['TSNET_TEST_LOG']) process.stderr.write(chunk)
      if (log.includes('serving client traffic')) resolve()
    })
  })
  const ended = once(child, 'exit').then(() => {
    throw new Error(`etcd ended: ${log}`)
  })
  ended.catch(() => {})
  const late = sleep(30_000, undefined, { ref: false }).then(() => {
    throw new Error(`etcd did not start in time: ${log}`)
  })
  late.catch(() => {})
  await Promise.race([serves, ended, late])
}
