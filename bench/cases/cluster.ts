import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestCluster } from '../../test/helpers/cluster.ts'
import { TestDaemon } from '../../test/helpers/daemon.ts'
import type { Case, Contestant, Row } from '../case.ts'
import { ask, startChild } from '../child.ts'
import type { CrowdChanges, CrowdFill, CrowdQuestion } from '../cluster-crowd.ts'
import {
  createMesh,
  handAddress,
  importImage,
  joinByHand,
  POOL,
  peakMemory,
  spentOnConnecting,
  startHosts,
  startOn,
  startPeer,
  startWithVolume,
} from '../cluster-hosts.ts'
import type { PeerQuestion } from '../cluster-peer.ts'
import { endProcess } from '../command.ts'
import { countEntries, FdbWatch } from '../fdb-watch.ts'
import { makeRootArchive } from '../image.ts'
import { quantile } from '../measure.ts'
import { send, timed } from '../request.ts'
import type { Stage } from '../stage.ts'

const CROWD = { hosts: 1000, each: 50 }
const CHANGES = { aSecond: 1000, seconds: 5 }
const BULK_MIB = 64
/** Enough that a noisy machine does not decide between two ways that differ by hundredths. */
const WAY_ROUNDS = 40
const EXCHANGES = 500
const MOVE_ROUNDS = 6
const HAND = 'VXLAN by hand'
/** Between a container's leaving and its joining again. */
const QUIET_MS = 200
/** For hosts whose network has 50,000 endpoints. */
const DEADLINE_MS = 60_000

const once = (title: string, unit: Row['unit'], value: number): Row => ({
  title,
  unit,
  rounds: 1,
  contestants: [{ name: 'tsnet', sample: async () => value }],
})

/** Both pairs are in the namespaces of the same two hosts, over the same underlay. */
async function* ways(stage: Stage, { hosts }: TestCluster): AsyncGenerator<Row> {
  await using ends = new AsyncDisposableStack()
  const start = async (netns: string) => ends.adopt(await startPeer(stage.root, netns), endProcess)
  const own = await Promise.all(hosts.slice(0, 2).map((host, index) => startOn(host, `way${index}`, 'mesh')))
  const [from] = await Promise.all(own.map(({ pid }) => start(`/proc/${pid}/ns/net`)))
  const [hand] = await Promise.all(joinByHand(hosts).map((netns) => start(`/run/netns/${netns}`)))
  const row = (title: string, question: (address: string) => PeerQuestion): Row => ({
    title,
    unit: 'ms',
    rounds: WAY_ROUNDS,
    contestants: [
      { name: 'tsnet', sample: async () => Number(await ask(from!, question(own[1]!.address))) },
      { name: HAND, sample: async () => Number(await ask(hand!, question(handAddress(1)))) },
    ],
  })
  yield row(
    `${BULK_MIB} MiB by TCP to a container of another host, beside a VXLAN device, bridge and veth by hand`,
    (bulk) => ({
      bulk,
      mebibytes: BULK_MIB,
    }),
  )
  yield row(`${EXCHANGES} times a byte there and back, beside the same`, (echo) => ({
    echo,
    count: EXCHANGES,
  }))
}

const connect = ({ socket }: TestDaemon, network: string, container: string) =>
  send(socket, 'POST', `/networks/${network}/connect`, { Container: container })
const disconnect = ({ socket }: TestDaemon, network: string, container: string) =>
  send(socket, 'POST', `/networks/${network}/disconnect`, { Container: container })

/** A container that is on another network joins one; the clock stops when the other hosts' kernels have it as well. */
async function* newcomers({ hosts }: TestCluster): AsyncGenerator<Row> {
  const [a, ...others] = hosts as [TestDaemon, ...TestDaemon[]]
  await createMesh(hosts, 'lonely', { Subnet: '10.42.0.0/24' })
  await send(a.socket, 'POST', '/networks/create', { Name: 'near' })
  await startOn(a, 'joins', 'bridge')
  for (const [index, host] of hosts.entries()) await startOn(host, `stays${index}`, 'mesh')
  await using ends = new AsyncDisposableStack()
  const watches = await Promise.all(others.map(async (host) => ends.use(await FdbWatch.start(host))))
  const sample = async (network: string): Promise<number> => {
    // what etcd and the kernel have still to do for the last one is not this one's
    await sleep(QUIET_MS)
    const took = await timed(() => connect(a, network, 'joins'))
    await disconnect(a, network, 'joins')
    return took
  }
  const contestants: Contestant[] = [
    { name: 'tsnet', sample: () => sample('mesh') },
    { name: 'tsnet, bridge', sample: () => sample('near') },
  ]
  yield {
    title: 'connect to a network of the cluster, over the API, beside one of the host’s',
    unit: 'ms',
    contestants,
  }
  const within = async (network: string): Promise<number> => {
    const before = spentOnConnecting(a)
    await sample(network)
    return spentOnConnecting(a) - before
  }
  yield {
    title: 'the same, as the daemon times it: attached, its name and files written',
    unit: 'ms',
    contestants: [
      { name: 'tsnet', sample: () => within('mesh') },
      { name: 'tsnet, bridge', sample: () => within('near') },
    ],
  }
  yield {
    title: 'over the API, the first endpoint on its host, for which the network’s links are made',
    unit: 'ms',
    contestants: [{ name: 'tsnet', sample: () => sample('lonely') }],
  }

  let round = 0
  const known = async (): Promise<number> => {
    const mac = `02:10:00:00:00:${(++round).toString(16).padStart(2, '0')}`
    const heard = Promise.all(watches.map((watch) => watch.next(mac)))
    const began = performance.timeOrigin + performance.now()
    const body = { Container: 'joins', EndpointConfig: { MacAddress: mac } }
    await send(a.socket, 'POST', '/networks/mesh/connect', body)
    const took = Math.max(...(await heard)) - began
    await disconnect(a, 'mesh', 'joins')
    return took
  }
  const title = 'from that call until the kernels of all three hosts have the endpoint'
  yield { title, unit: 'ms', contestants: [{ name: 'tsnet', sample: known }] }
}

interface Moves {
  /** Milliseconds of the whole move. */
  readonly whole: number
  /** Milliseconds for which a third host's container had no answer from it. */
  readonly gap: number
}

/** To and fro between two hosts, and looked for from a third. */
async function* moves(stage: Stage, { hosts }: TestCluster): AsyncGenerator<Row> {
  const [a, b, c] = hosts as [TestDaemon, TestDaemon, TestDaemon]
  const { pid } = await startOn(c, 'seeks', 'mesh')
  await using ends = new AsyncDisposableStack()
  const seeker = ends.adopt(await startPeer(stage.root, `/proc/${pid}/ns/net`), endProcess)
  const tell = (question: PeerQuestion) => ask(seeker, question) as Promise<number[]>
  const address = await startWithVolume(a, 'moves', 'mesh', BULK_MIB)
  let from = a
  const move = async (): Promise<Moves> => {
    const to = from === a ? b : a
    await tell({ seek: address })
    const body = { To: to === a ? 'h1' : 'h2' }
    const whole = await timed(() => send(from.socket, 'POST', '/tsnet/v1/containers/moves/move', body))
    from = to
    const inspected = (await send(to.socket, 'GET', '/containers/moves/json')).json()
    const { StartedAt } = inspected['State'] as { StartedAt: string }
    await new Promise((resolve) => setTimeout(resolve, 200))
    const found = await tell({ found: true })
    const gaps = found.map((at, index) => ({ at, gap: at - (found[index - 1] ?? at) }))
    const { at, gap } = gaps.reduce((one, other) => (other.gap > one.gap ? other : one))
    // It may be reached before its program runs.
    if (at - Date.parse(StartedAt) > 1000) throw new Error('bench: a moved container was reached late')
    return { whole, gap }
  }
  const row = (title: string, key: keyof Moves): Row => ({
    title,
    unit: 'ms',
    rounds: MOVE_ROUNDS,
    contestants: [{ name: 'tsnet', sample: async () => (await move())[key] }],
  })
  yield row(`a container with a volume of ${BULK_MIB} MiB moves to another host`, 'whole')
  yield row('for so long a container of a third host does not reach it', 'gap')
}

async function untilHas(host: TestDaemon, network: string, entries: number): Promise<void> {
  const end = performance.now() + DEADLINE_MS
  for (let there = 0; there < entries; there = countEntries(host, network)) {
    if (performance.now() > end)
      throw new Error(`bench: ${there} of ${entries} entries after ${DEADLINE_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/** The network that only they are on comes first, so that it is the whole crowd's. */
async function* crowd(stage: Stage, cluster: TestCluster): AsyncGenerator<Row> {
  const [a] = cluster.hosts as [TestDaemon]
  const wide = await createMesh(cluster.hosts, 'wide', POOL)
  const elsewhere = await createMesh(cluster.hosts, 'elsewhere', { Subnet: '10.80.0.0/12' })
  const program = join(stage.root, 'bench/cluster-crowd.ts')
  const netns = `--net=/run/netns/${cluster.netns}`
  await using ends = new AsyncDisposableStack()
  const child = await startChild(['nsenter', netns, process.execPath, program, cluster.etcd.url()])
  ends.adopt(child, endProcess)
  const tell = (question: CrowdQuestion) => ask(child, question)
  const fill = (network: string, second: number, each: number): Promise<unknown> => {
    const crowdOf: CrowdFill = { network, second, hosts: CROWD.hosts, each }
    return tell({ fill: crowdOf })
  }
  await fill(wide, 65, CROWD.each)
  await fill(elsewhere, 81, 5)

  const archive = await makeRootArchive()
  const began = performance.now()
  const fresh = await cluster.join((flags, prepare) => TestDaemon.start(flags, {}, '', prepare))
  ends.defer(() => fresh.stop())
  await importImage(fresh, archive)
  await startOn(fresh, 'fresh', 'wide')
  await untilHas(fresh, wide, CROWD.hosts * CROWD.each)
  const all = `${CROWD.hosts.toLocaleString('en')} hosts × ${CROWD.each} endpoints`
  yield once(`${all}: from a fresh daemon’s start until the kernel has them`, 'ms', performance.now() - began)
  yield once('most memory of that daemon', 'MiB', peakMemory(fresh.pid))
  for (const [host, network] of [
    [fresh, elsewhere],
    [a, wide],
    [a, elsewhere],
  ] as const) {
    const there = countEntries(host, network)
    if (there > 0)
      throw new Error(`bench: a host has ${there} entries of a network on which it has no endpoint`)
  }
  yield* changes(fresh, tell)
}

async function* changes(
  host: TestDaemon,
  tell: (question: CrowdQuestion) => Promise<unknown>,
): AsyncGenerator<Row> {
  await using watch = await FdbWatch.start(host)
  const before = host.processorTime()
  const told = (await tell({ change: CHANGES })) as CrowdChanges
  const end = performance.now() + DEADLINE_MS
  while (told.some(([mac]) => watch.heardAt(mac) === undefined)) {
    if (performance.now() > end) throw new Error('bench: not all changes have arrived in the kernel')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const lags = told.map(([mac, at]) => watch.heardAt(mac)! - at).values()
  const rate = `${CHANGES.aSecond.toLocaleString('en')} changes a second for ${CHANGES.seconds} s`
  const spent = (host.processorTime() - before) / CHANGES.seconds
  const sorted = [...lags]
  yield once(`${rate}: from a change until the kernel has it, median`, 'ms', quantile(sorted, 0.5))
  yield once('the same, 99th percentile', 'ms', quantile(sorted, 0.99))
  yield once('processor time of the daemon for a second of them', 'ms', spent)
  yield once('most memory of the daemon after them', 'MiB', peakMemory(host.pid))
}

export default {
  name: 'cluster',
  order: 90,
  apart: true,
  title: 'A cluster',
  about:
    'Three hosts and three servers of etcd, each in a network namespace of this machine, joined by veth pairs. Packets go from a container ' +
    'of one host to one of another; the peer is what a manual has, in the namespaces of the same hosts: a VXLAN device with one remote, a ' +
    'bridge and a veth pair on either side. A container that joins networks left the last one 200 ms before. Then a program writes into etcd what the daemons of many more hosts would; a further host ' +
    'starts, with a container on the network that all of them are on. That no host has entries of networks on which it has no endpoints is checked.',
  async *rows(stage) {
    const cluster = stage.leftovers.use(await startHosts(stage.dir))
    try {
      await createMesh(cluster.hosts, 'mesh', { Subnet: '10.41.0.0/24' })
      yield* ways(stage, cluster)
      yield* newcomers(cluster)
      yield* moves(stage, cluster)
      yield* crowd(stage, cluster)
    } finally {
      await cluster.stop()
    }
  },
} satisfies Case
