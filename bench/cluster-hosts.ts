/** Three hosts and three servers of etcd in namespaces of their own, and beside the cluster's network one that is made by hand. */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TestCluster, underlay } from '../test/helpers/cluster.ts'
import type { TestDaemon } from '../test/helpers/daemon.ts'
import { startChild } from './child.ts'
import { eventually } from './command.ts'
import { IMAGE, makeRootArchive } from './image.ts'
import { send } from './request.ts'

/** Endpoints of hosts that there are take addresses below 10.65, those of hosts that there are not above. */
export const POOL = { Subnet: '10.64.0.0/12', IPRange: '10.64.0.0/16' }

/** In each host's namespace. */
const METRICS = '127.0.0.1:9323'

/** Milliseconds that a host's daemon has spent in all on containers' joining of networks, as its metrics tell. */
export function spentOnConnecting(host: TestDaemon): number {
  const metrics = host.inNetns('curl', ['-s', `http://${METRICS}/metrics`])
  const sum = /^engine_daemon_network_actions_seconds_sum\{action="connect"\} (.*)$/m.exec(metrics)?.[1]
  if (sum === undefined) throw new Error('the daemon does not tell how long joining took')
  return Number(sum) * 1000
}

export async function startHosts(dir: string): Promise<TestCluster> {
  // what the servers and daemons write is on the benchmark's disk, and goes with it
  process.env['TMPDIR'] = dir
  const cluster = await TestCluster.start({ servers: 3, flags: ['--metrics-addr', METRICS] })
  const archive = await makeRootArchive()
  await Promise.all(cluster.hosts.map((host) => importImage(host, archive)))
  return cluster
}

export async function importImage({ socket }: TestDaemon, archive: Buffer): Promise<void> {
  await send(socket, 'POST', `/images/create?fromSrc=-&repo=${encodeURIComponent(IMAGE)}`, archive)
}

/** Makes a network on one host; resolves with its id when all have it. */
export async function createMesh(hosts: readonly TestDaemon[], Name: string, pool: object): Promise<string> {
  const body = { Name, Driver: 'overlay', IPAM: { Config: [pool] } }
  const { Id } = (await send(hosts[0]!.socket, 'POST', '/networks/create', body)).json()
  await Promise.all(hosts.map((host) => eventually(10, () => send(host.socket, 'GET', `/networks/${Id}`))))
  return String(Id)
}

export interface Running {
  /** On its network. */
  readonly address: string
  readonly pid: number
}

export async function startOn({ socket }: TestDaemon, name: string, network: string): Promise<Running> {
  const body = { Image: IMAGE, Cmd: ['sleep', '1000'], HostConfig: { NetworkMode: network } }
  await send(socket, 'POST', `/containers/create?name=${name}`, body)
  await send(socket, 'POST', `/containers/${name}/start`)
  return await inspectOn(socket, name)
}

async function inspectOn(socket: string, name: string): Promise<Running> {
  const inspected = (await send(socket, 'GET', `/containers/${name}/json`)).json() as unknown as {
    State: { Pid: number }
    NetworkSettings: { Networks: Record<string, { IPAddress: string }> }
  }
  const [attached] = Object.values(inspected.NetworkSettings.Networks)
  return { address: attached?.IPAddress ?? '', pid: inspected.State.Pid }
}

const ip = (netns: string, ...lines: readonly string[]): void => {
  for (const line of lines) execFileSync('ip', ['-n', netns, ...line.split(' ')])
}

/** One that ends at once when it is told to, with so many MiB in a volume that nothing makes smaller. Returns its address. */
export async function startWithVolume(
  { socket, dataRoot }: TestDaemon,
  name: string,
  network: string,
  mebibytes: number,
): Promise<string> {
  const HostConfig = { NetworkMode: network, Binds: [`${name}:/data`] }
  const body = { Image: IMAGE, Cmd: ['sleep', '1000'], StopTimeout: 0, HostConfig }
  await send(socket, 'POST', `/containers/create?name=${name}`, body)
  writeFileSync(join(dataRoot, 'volumes', name, '_data', 'bulk'), randomBytes(mebibytes << 20))
  await send(socket, 'POST', `/containers/${name}/start`)
  return (await inspectOn(socket, name)).address
}

/** As in any manual: a VXLAN device to the one other host, a bridge, a veth pair into a namespace. Returns the namespaces. */
export function joinByHand(hosts: readonly TestDaemon[]): string[] {
  const at = (index: number): string => `${underlay.v4}.${11 + index}`
  return hosts.slice(0, 2).map(({ netns }, index) => {
    const inner = `bench-hand${index}`
    execFileSync('ip', ['netns', 'add', inner])
    ip(
      netns,
      'link add hand-br mtu 1450 type bridge',
      `link add hand-vx mtu 1450 type vxlan id 77 dstport 4790 local ${at(index)} remote ${at(1 - index)} dev underlay`,
      `link add hand-ve mtu 1450 type veth peer name eth0 mtu 1450 netns ${inner}`,
      ...['hand-vx', 'hand-ve'].map((port) => `link set ${port} master hand-br`),
      ...['hand-br', 'hand-vx', 'hand-ve'].map((link) => `link set ${link} up`),
    )
    ip(inner, 'link set lo up', `addr add ${handAddress(index)}/24 dev eth0`, 'link set eth0 up')
    return inner
  })
}

export const handAddress = (index: number): string => `10.40.0.${1 + index}`

export const startPeer = (root: string, netns: string): Promise<ChildProcess> =>
  startChild(['nsenter', `--net=${netns}`, process.execPath, join(root, 'bench/cluster-peer.ts')])

/** The most that a process has had resident, in MiB. */
export function peakMemory(pid: number): number {
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}
