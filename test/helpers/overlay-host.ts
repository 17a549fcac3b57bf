/**
 * A host of a cluster for tests of overlay networks: a process in a network namespace of its own with the driver in it, which does what
 * it is told and knows of the other hosts what it is told. Hosts meet on a bridge in the test's namespace.
 */
import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import type { ClusterEndpoint, NodeRecord } from '../../src/cluster/cluster.ts'
import type { Attachment, DriverContext, EndpointSpec, StandingEndpoint } from '../../src/drivers/driver.ts'
import { createOverlayDriver, type OverlayStatus } from '../../src/drivers/overlay/index.ts'
import { openSandbox, removeSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import type { NetworkRecord } from '../../src/store/records.ts'
import { inNetns, warmThreadPool } from '../../src/sys/netns.ts'
import type { NetworkId } from '../../src/values/id.ts'
import { newId } from '../../src/values/id.ts'
import { ip, Place } from './firewall-lab.ts'
import { ToldCluster } from './told-cluster.ts'

const script = fileURLToPath(import.meta.url)

export class OverlayHost {
  readonly node: NodeRecord
  readonly place: Place
  #child: ChildProcess

  private constructor(node: NodeRecord, place: Place, child: ChildProcess) {
    this.node = node
    this.place = place
    this.#child = child
  }

  static async #fork(node: NodeRecord, place: Place): Promise<ChildProcess> {
    const child = inNetns(place.netns, () => fork(script, [JSON.stringify(node)]) as never) as ChildProcess
    await once(child, 'message')
    return child
  }

  /** Joins the bridge `wire` of this namespace under the node's address. */
  static async start(node: NodeRecord, wire: string, directory: string): Promise<OverlayHost> {
    const place = new Place(node.name, directory)
    ip(`link add u-${node.name} mtu ${node.mtu} type veth peer name eth0 netns ${place.path}`)
    ip(`link set u-${node.name} master ${wire} up`)
    place.ip(`link set eth0 mtu ${node.mtu}`)
    place.ip(`addr add ${node.address}/${node.address.includes(':') ? '64 dev eth0 nodad' : '24 dev eth0'}`)
    place.ip('link set eth0 up')
    return new OverlayHost(node, place, await OverlayHost.#fork(node, place))
  }

  async call<K extends keyof Orders>(
    order: K,
    ...args: Parameters<Orders[K]>
  ): Promise<Awaited<ReturnType<Orders[K]>>> {
    const id = newId()
    const answer = new Promise<Answer>((resolve, reject) => {
      const end = (): void => reject(new Error(`host ${this.node.name} has ended`))
      const hear = (message: Answer): void => {
        if (message.id !== id) return
        this.#child.off('message', hear).off('exit', end)
        resolve(message)
      }
      this.#child.on('message', hear).once('exit', end)
    })
    this.#child.send({ id, order, args })
    const { error, value } = await answer
    if (error !== undefined) throw new Error(error)
    return value as Awaited<ReturnType<Orders[K]>>
  }

  /** Another process takes over, which knows nothing of what the last one did. Endpoints have no sandboxes any more. */
  async restart(): Promise<void> {
    await this.#end()
    this.#child = await OverlayHost.#fork(this.node, this.place)
  }

  async stop(): Promise<void> {
    await this.#end()
    this.place.close()
  }

  async #end(): Promise<void> {
    if (this.#child.exitCode !== null) return
    this.#child.disconnect()
    await once(this.#child, 'exit')
  }
}

interface Answer {
  readonly id: string
  readonly value?: unknown
  readonly error?: string
}

type Orders = ReturnType<typeof createOrders>

/** What a host can be told to do, in its own process. */
function createOrders(self: NodeRecord) {
  const cluster = new ToldCluster(self)
  const log = pino({ level: process.env['TSNET_TEST_LOG'] === undefined ? 'silent' : 'debug' })
  const context: DriverContext = { mark: 'tsnet', log, signal: new AbortController().signal }
  const directory = mkdtempSync(join(tmpdir(), 'tsnet-overlay-'))
  process.on('exit', () => {
    for (const id of standing.keys()) removeSandbox(directory, id)
    rmSync(directory, { recursive: true, force: true })
  })
  const driver = createOverlayDriver(cluster.cluster)
  const standing = new Map<string, { spec: EndpointSpec; sandbox: Sandbox; mac: string }>()
  const networks = new Map<NetworkId, NetworkRecord>()
  const repairs: string[] = []
  const suspects = new Set<NetworkId>()

  const inSandbox = <T>(id: string, body: () => T): T =>
    inNetns(standing.get(id)!.sandbox.netns, body as () => never) as T

  const repair = async (network: NetworkRecord): Promise<readonly string[]> => {
    const endpoints = [...standing.values()]
      .filter(({ spec }) => spec.network.id === network.id)
      .map(({ spec, mac, sandbox }): StandingEndpoint => {
        const own = { netns: sandbox.netns, [Symbol.dispose]: () => {} }
        return { ...spec, mac, sandbox: () => own as unknown as Sandbox }
      })
    return (await driver.repair?.(context, network, endpoints)) ?? []
  }

  // whatever the driver suspects is repaired, as by a daemon
  driver.follow?.((id) => {
    suspects.add(id)
    if (suspects.size > 1) return
    setTimeout(async () => {
      const networksThen = [...suspects].flatMap((suspect) => networks.get(suspect) ?? [])
      suspects.clear()
      for (const network of networksThen) repairs.push(...(await repair(network)))
    }, 100)
  })

  const orders = {
    async create(network: NetworkRecord): Promise<void> {
      networks.set(network.id, network)
      await driver.createNetwork(context, network)
    },
    async remove(network: NetworkRecord): Promise<void> {
      networks.delete(network.id)
      await driver.removeNetwork(context, network)
      await driver.settle?.()
    },
    async attach(spec: EndpointSpec): Promise<Attachment> {
      const sandbox = openSandbox({ execRoot: directory, id: spec.id })
      const attachment = await driver.attach(context, spec, sandbox)
      standing.set(spec.id, { spec, sandbox, mac: attachment.mac })
      return attachment
    },
    async detach(id: string): Promise<void> {
      const { spec, sandbox } = standing.get(id)!
      standing.delete(id)
      await driver.detach(context, spec, sandbox)
      sandbox[Symbol.dispose]()
      removeSandbox(directory, id)
    },
    tell(network: NetworkId, endpoints: readonly (readonly [string, ClusterEndpoint | null])[]): void {
      cluster.endpoints(network).tell(endpoints.map(([id, endpoint]) => [id, endpoint ?? undefined]))
    },
    tellNodes(nodes: readonly (readonly [string, NodeRecord | null])[]): void {
      const own = nodes.find(([name]) => name === self.name)?.[1]
      if (own !== undefined && own !== null) cluster.self = own
      cluster.nodes.tell(nodes.map(([name, node]) => [name, node ?? undefined]))
    },
    /** All has been told that there is of a network. */
    complete(network: NetworkId): void {
      cluster.endpoints(network).complete()
    },
    setState(state: 'connected' | 'away'): void {
      cluster.state = state
    },
    repair,
    /** As it was at the start, with these hosts. */
    async reset(nodes: readonly (readonly [string, NodeRecord])[]): Promise<void> {
      for (const id of [...standing.keys()]) await orders.detach(id)
      for (const network of [...networks.values()]) await orders.remove(network)
      orders.tellNodes(nodes)
      repairs.length = 0
    },
    repairs: (): readonly string[] => repairs,
    status: (network: NetworkRecord): OverlayStatus | null => driver.statusOf(network),
    /** What a command prints in the host's namespace. */
    run: (command: string): string => execute(command),
    /** The same in an endpoint's sandbox. */
    runIn: (id: string, command: string): string => inSandbox(id, () => execute(command)),
    /** How many of a few pings are answered, each within so many seconds: on a busy machine a program may wait for its turn. */
    ping(id: string, address: string, count = 1, patience = 3): number {
      const command = `busybox ping -c ${count} -i 0.2 -W ${patience} ${address}`
      const text = inSandbox(id, () => attempt(command))
      return Number(/(\d+) packets received/.exec(text)?.[1] ?? 0)
    },
    /** Tells of an endpoint while the network is being compared with what it should be; returns what a command prints before that is over. */
    async tellWhileCompared(network: NetworkRecord, endpoint: ClusterEndpoint, command: string) {
      let isOver = false
      const compared = repair(network).finally(() => {
        isOver = true
      })
      await setImmediate()
      cluster.endpoints(network.id).tell([[endpoint.id, endpoint]])
      const printed = isOver ? 'too late' : execute(command)
      return { printed, faults: await compared }
    },
    /** Tells of so many endpoints of a node; returns how long they kept the processor, in seconds, and what was wrong afterwards. */
    async tellMany(network: NetworkRecord, node: string, count: number) {
      const endpoints = Array.from({ length: count }, (_, number) => manyEndpoint(network.id, node, number))
      const before = process.cpuUsage()
      cluster.endpoints(network.id).tell(endpoints.map((endpoint) => [endpoint.id, endpoint]))
      const faults = await repair(network)
      const { user, system } = process.cpuUsage(before)
      return { spent: (user + system) / 1e6, faults }
    },
  }
  return orders
}

/** 10.91.16.0 and up, fd00:91::1:0 and up. */
function manyEndpoint(network: NetworkId, node: string, number: number): ClusterEndpoint {
  const digits = number.toString(16).padStart(6, '0')
  return {
    id: newId(),
    network,
    node,
    container: '',
    containerName: '',
    names: [],
    address4: `10.91.${16 + (number >> 8)}.${number & 255}/16`,
    address6: `fd00:91::1:${(number >> 8).toString(16)}:${(number & 255).toString(16)}/64`,
    mac: `02:00:00:${digits.slice(0, 2)}:${digits.slice(2, 4)}:${digits.slice(4)}`,
  }
}

function execute(command: string): string {
  const [program = '', ...args] = command.split(' ')
  return execFileSync(program, args, { encoding: 'utf8' })
}

function attempt(command: string): string {
  try {
    return execute(command)
  } catch (error) {
    return String((error as { stdout?: string }).stdout ?? '')
  }
}

async function serve(self: NodeRecord): Promise<void> {
  await warmThreadPool()
  const orders = createOrders(self) as unknown as Record<string, (...args: unknown[]) => unknown>
  process.on('message', ({ id, order, args }: { id: string; order: string; args: unknown[] }) => {
    void (async () => {
      try {
        process.send?.({ id, value: await orders[order]!(...args) })
      } catch (error) {
        process.send?.({ id, error: String(error) })
      }
    })()
  })
  process.on('disconnect', () => process.exit(0))
  process.send?.({ id: 'ready' })
}

if (process.argv[1] === script) await serve(JSON.parse(process.argv[2] ?? '') as NodeRecord)
