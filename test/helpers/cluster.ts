/**
 * Hosts of a cluster: daemons in network namespaces of their own, joined by a switch on which servers of etcd are as well. The switch
 * leads to an outside address.
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { run, TestDaemon } from './daemon.ts'
import { Etcd, type EtcdOptions } from './etcd.ts'

/** What the hosts' addresses begin with: the switch is .1, servers of etcd are .2 to .4, hosts from .11 on. */
export const underlay = { v4: '10.99.0', v6: 'fd99::' } as const
/** An address that only the switch leads to. */
export const outside = { v4: '198.51.100.1', v6: '2001:db8::1' } as const

type Parameters = Readonly<Record<string, string>>

/** Of as many servers as there may be. */
export const etcdAddresses: readonly string[] = [2, 3, 4].map((last) => `${underlay.v4}.${last}`)

export interface TestClusterOptions {
  /** How many there are; 3 unless told. */
  readonly hosts?: number
  /** Servers of etcd; 1 unless told. */
  readonly servers?: number
  /** bytes that etcd keeps at most */
  readonly quota?: number
  /** Of each daemon. */
  readonly flags?: readonly string[]
  /** Of the address in `--cluster`, e.g. {ttl: '2'}; of each host where they differ. */
  readonly parameters?: Parameters | ((host: number) => Parameters)
  /** What servers and hosts show each other, for `etcdAddresses`. */
  readonly tls?: EtcdOptions['tls']
}

export class TestCluster implements AsyncDisposable {
  /** The namespace of the switch and of etcd. */
  readonly netns = `tsnet-switch-${randomBytes(4).toString('hex')}`
  readonly hosts: TestDaemon[] = []
  #etcd: Etcd | null = null
  #flagsOf: (host: number) => readonly string[] = () => []
  #joined = 0
  #stopped: Promise<void> | null = null

  static async start(options: TestClusterOptions = {}): Promise<TestCluster> {
    const cluster = new TestCluster()
    try {
      await cluster.#start(options)
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return cluster
  }

  get etcd(): Etcd {
    if (this.#etcd === null) throw new Error('etcd is not started')
    return this.#etcd
  }

  async #start({
    hosts = 3,
    servers = 1,
    quota,
    flags = [],
    parameters = { ttl: '10' },
    tls,
  }: TestClusterOptions): Promise<void> {
    this.#makeSwitch(servers)
    const places = etcdAddresses.slice(0, servers).map((address) => ({ netns: this.netns, address }))
    const etcd = await Etcd.start({ places, ...(quota !== undefined && { quota }), ...(tls && { tls }) })
    this.#etcd = etcd
    this.#flagsOf = (host) => {
      const own = typeof parameters === 'function' ? parameters(host) : parameters
      return [...flags, '--cluster', etcd.url(own)]
    }
    const started = Array.from({ length: hosts }, () =>
      this.join((all, prepare) => TestDaemon.start(all, {}, '', prepare)),
    )
    this.hosts.push(...(await Promise.all(started)))
  }

  /** Starts a further host in the caller's way, with flags and a way to the switch. */
  join<T>(start: (flags: readonly string[], prepare: (netns: string) => void) => Promise<T>): Promise<T> {
    const index = this.#joined++
    const own = ['--node-name', `h${index + 1}`, '--advertise', 'underlay']
    // The switch says at once that it is no name server.
    const flags = [...this.#flagsOf(index), ...own, '--dns', `${underlay.v4}.1`]
    return start(flags, (netns) => this.#plug(netns, index))
  }

  #makeSwitch(servers: number): void {
    execFileSync('ip', ['netns', 'add', this.netns])
    const addresses = Array.from({ length: 1 + servers }, (_, index) => `${underlay.v4}.${1 + index}/24`)
    this.#ip(
      'link set lo up',
      'link add br0 type bridge',
      'link set br0 up',
      ...addresses.map((address) => `addr add ${address} dev br0`),
      `addr add ${underlay.v6}1/64 dev br0 nodad`,
      `addr add ${outside.v4}/32 dev lo`,
      `addr add ${outside.v6}/128 dev lo nodad`,
    )
    // Hosts ask it for names, and hear each time that it serves none.
    const unlimited = 'echo 0 > /proc/sys/net/ipv4/icmp_ratelimit'
    execFileSync('nsenter', [`--net=/run/netns/${this.netns}`, 'sh', '-c', unlimited])
  }

  #plug(netns: string, index: number): void {
    const port = `host${index}`
    this.#ip(`link add ${port} type veth peer name underlay netns ${netns}`, `link set ${port} master br0 up`)
    const lines = [
      `addr add ${underlay.v4}.${11 + index}/24 dev underlay`,
      `addr add ${underlay.v6}${11 + index}/64 dev underlay nodad`,
      'link set underlay up',
      `route add default via ${underlay.v4}.1`,
      `-6 route add default via ${underlay.v6}1`,
    ]
    for (const line of lines) execFileSync('ip', ['-n', netns, ...line.split(' ')])
  }

  #ip(...lines: readonly string[]): void {
    for (const line of lines) execFileSync('ip', ['-n', this.netns, ...line.split(' ')])
  }

  /** Takes a host's cable out, or puts it in again. */
  plug(host: number, isIn: boolean): void {
    this.#ip(`link set host${host} ${isIn ? 'up' : 'down'}`)
  }

  /** What a command prints beyond the hosts. Throws when it fails. */
  async outside(command: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await run('nsenter', [
      `--net=/run/netns/${this.netns}`,
      command,
      ...args,
    ])
    if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${code}: ${stderr}`)
    return stdout
  }

  /** Safe to repeat. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.stop()))
    await this.#etcd?.stop()
    execFileSync('ip', ['netns', 'del', this.netns])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}
