/** Encrypted overlay networks, on a kernel that has WireGuard: runs in the guest of test/vm/run, with etcd and two hosts in namespaces. */
import { readFileSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { tunnelAddress } from '../../src/drivers/overlay/tunnel-peers.ts'
import { getLink } from '../../src/netlink/link.ts'
import { openRouteSocket } from '../../src/netlink/socket.ts'
import {
  readWireguard,
  setWireguard,
  type WireguardChange,
  type WireguardDevice,
} from '../../src/netlink/wireguard.ts'
import { inNetns, openNetns } from '../../src/sys/netns.ts'
import { Capture } from '../helpers/capture.ts'
import { TestClient } from '../helpers/client.ts'
import { TestCluster, underlay } from '../helpers/cluster.ts'
import { busyboxArchive, run, type TestDaemon } from '../helpers/daemon.ts'
import { vxlanPayload } from '../helpers/forged-packet.ts'

const cluster = await TestCluster.start({ hosts: 2, parameters: { ttl: '60' } })
const clients = cluster.hosts.map((host) => new TestClient(host)) as [TestClient, TestClient]
const [a, b] = clients
const wire = openNetns(`/run/netns/${cluster.netns}`)

/** Everything is slow here, and what nobody tells of is looked for once a minute. */
const patience = { timeout: 120_000, interval: 500 }

beforeAll(async () => {
  const input = busyboxArchive()
  await Promise.all(cluster.hosts.map((host) => host.dockerWith({ input }, 'import', '-', 'box')))
  await a.docker('network', 'create', '-d', 'overlay', '--opt', 'encrypted', 'mesh')
  await a.tsnet('network', 'create', '-d', 'overlay', 'plain')
  await vi.waitFor(() => Promise.all(clients.map(({ inspect }) => inspect('network', 'plain'))), patience)
  await a.wait('w1', '--network', 'mesh')
  await b.wait('w2', '--network', 'mesh')
  await a.wait('p1', '--network', 'plain')
  await b.wait('p2', '--network', 'plain')
})
afterAll(async () => {
  wire.close()
  await cluster.stop()
})

/** With the index of a daemon's device, in its namespace; throws when there is none. */
function atDevice<T>({ netns, mark }: TestDaemon, body: (index: number) => T): T {
  using namespace = openNetns(`/run/netns/${netns}`)
  const act = (): T => {
    using socket = openRouteSocket()
    return body(getLink(socket, `wg-${mark}`).index)
  }
  return inNetns(namespace, act as () => never)
}

const device = (daemon: TestDaemon): WireguardDevice => atDevice(daemon, readWireguard)
const change = (daemon: TestDaemon, wanted: WireguardChange): void =>
  atDevice(daemon, (index) => setWireguard(index, wanted))

const ip = ({ daemon }: TestClient, command: string): string => daemon.inNetns('ip', command.split(' '))
const tunnelOf = ({ daemon }: TestClient): string => `wg-${daemon.mark}`
const keyFile = ({ daemon }: TestClient): string => join(daemon.dataRoot, 'wireguard.keys')
const reaches = (client: TestClient, from: string, to: string): Promise<string> =>
  client.inside(from, `ping -c1 -W5 ${to}`)
const macOf = async (client: TestClient, name: string, network: string): Promise<string> =>
  (await client.inspect('container', name)).NetworkSettings.Networks[network]!.MacAddress

test('containers of two hosts reach each other by name, and nothing of it is readable in between', async () => {
  const secret = 'the-quick-brown-fox'
  using capture = new Capture(wire, 'host0')
  await reaches(a, 'w1', 'w2')
  await reaches(b, 'w2', 'w1')
  await a.inside('w1', `yes ${secret} | head -c 200000 >/tmp/page; httpd -h /tmp`)
  const text = await b.inside('w2', 'wget -qO- http://w1/page')
  expect(text.split(secret).length).toBeGreaterThan(9000)
  const frames = await capture.frames()
  expect(frames.length).toBeGreaterThan(100)
  expect(frames.filter((frame) => frame.includes(secret))).toEqual([])
  expect(frames.filter((frame) => isUdpTo(frame, 4789))).toEqual([])
  expect(frames.filter((frame) => isUdpTo(frame, 14789)).length).toBeGreaterThan(100)
})

test('a network beside it is as it was, and is seen on the wire', async () => {
  using capture = new Capture(wire, 'host0')
  await reaches(a, 'p1', 'p2')
  const frames = await capture.frames()
  expect(frames.filter((frame) => isUdpTo(frame, 4789)).length).toBeGreaterThan(1)
})

test('inspect shows the option; a private key is in a file of root’s alone, and nowhere in etcd', async () => {
  const { Options } = await b.inspect('network', 'mesh')
  expect(Options).toMatchObject({ encrypted: '' })
  expect(statSync(keyFile(a)).mode & 0o777).toBe(0o600)
  const { current } = keysOf(a)
  const state = await cluster.etcd.ctl('get', '', '--prefix')
  expect(state).not.toContain(current)
  expect(state).toContain(device(a.daemon).publicKey)
})

/** IPv4 without options, or IPv6, of UDP to that port. */
function isUdpTo(frame: Buffer, port: number): boolean {
  const isIpv4 = frame.readUInt16BE(12) === 0x0800 && frame[23] === 17
  const isIpv6 = frame.readUInt16BE(12) === 0x86dd && frame[20] === 17
  return (isIpv4 || isIpv6) && frame.readUInt16BE(isIpv4 ? 36 : 56) === port
}

const keysOf = (client: TestClient): { current: string; next: string | undefined } => {
  const [current = '', next] = readFileSync(keyFile(client), 'utf8').trim().split('\n')
  return { current, next }
}

/** What host b's container would send to port 7777 of host a's, where nobody listens. */
async function forge(from: string, to: string, network: string): Promise<Buffer> {
  const { Options } = await a.inspect('network', network)
  const vni = Number(Options['com.docker.network.driver.overlay.vxlanid_list'])
  const [source, target] = [await b.addressOf(from, network), await a.addressOf(to, network)]
  const [fromMac, toMac] = [await macOf(b, from, network), await macOf(a, to, network)]
  return vxlanPayload(vni, { source, target, port: 7777, fromMac, toMac })
}

/** A number that the kernel keeps of a container's network (proc_pid_net(5), snmp). */
async function counted(
  client: TestClient,
  container: string,
  protocol: string,
  name: string,
): Promise<number> {
  const text = await client.inside(container, `grep ^${protocol}: /proc/net/snmp`)
  const [names = '', values = ''] = text.split('\n')
  return Number(values.split(' ')[names.split(' ').indexOf(name)])
}

/** How many datagrams have come to a container for ports where nobody listens. */
const strays = (container: string): Promise<number> => counted(a, container, 'Udp', 'NoPorts')

/**
 * Pings a container by name for as long as something lasts, and returns how many pings that took, and how many have no answer. They are counted by
 * the kernel: the program has room for four answers, and loses more when it gets no time to read them.
 */
async function pinging(client: TestClient, from: string, to: string, body: () => Promise<void>) {
  const count = (name: string): Promise<number> => counted(client, from, 'Icmp', name)
  const before = [await count('OutEchos'), await count('InEchoReps')] as const
  await client.docker('exec', '-d', from, 'ping', '-i', '0.05', to)
  await sleep(2000)
  await body()
  await sleep(2000)
  await client.inside(from, 'kill $(pidof ping)')
  await sleep(2000)
  const sent = (await count('OutEchos')) - before[0]
  return { sent, lost: sent - ((await count('InEchoReps')) - before[1]) }
}

/** Sends a datagram twice to port 4789, and ends when it has left. */
const sender = `const socket = require('node:dgram').createSocket(process.argv[1].includes(':') ? 'udp6' : 'udp4')
const packet = Buffer.from(process.argv[2], 'hex')
const send = (then) => socket.send(packet, 4789, process.argv[1], then)
send(() => send(() => socket.close()))`

/** How much of what is sent to an address from a namespace arrives in a container of host a. */
async function arrives(packet: Buffer, container: string, netns: string, address: string): Promise<number> {
  const before = await strays(container)
  const command = [process.execPath, '-e', sender, address, packet.toString('hex')]
  const { code, stderr } = await run('nsenter', [`--net=/run/netns/${netns}`, ...command])
  if (code !== 0) throw new Error(stderr)
  await sleep(500)
  return (await strays(container)) - before
}

test('who is on the wire between the hosts cannot send into an encrypted network, as it can into another', async () => {
  const plain = await forge('p2', 'p1', 'plain')
  expect(await arrives(plain, 'p1', cluster.netns, `${underlay.v4}.11`)).toBe(2)
  const packet = await forge('w2', 'w1', 'mesh')
  // The packet is right: it comes in from a host of the cluster by the tunnel.
  const zone = tunnelOf(b)
  expect(await arrives(packet, 'w1', b.daemon.netns, `${tunnelAddress('h1')}%${zone}`)).toBe(2)
  for (const address of [`${underlay.v4}.11`, `${underlay.v6}11`])
    expect(await arrives(packet, 'w1', cluster.netns, address)).toBe(0)
})

test('packets are as long as fits, and follow the underlay', async () => {
  const mtus = async (): Promise<string[]> => [
    await a.inside('w1', 'cat /sys/class/net/eth0/mtu'),
    await b.inside('w2', 'cat /sys/class/net/eth0/mtu'),
    /mtu (\d+)/.exec(ip(a, `link show ${tunnelOf(a)}`))![1]!,
  ]
  expect(await mtus()).toEqual(['1370', '1370', '1440'])
  using capture = new Capture(wire, 'host0')
  await a.inside('w1', 'ping -c1 -W5 -s 1342 w2')
  const longest = (await capture.frames())
    .filter((frame) => isUdpTo(frame, 14789))
    .map(({ length }) => length)
  expect(Math.max(...longest)).toBe(1514)
  ip(b, 'link set underlay mtu 1400')
  await vi.waitFor(async () => expect(await mtus()).toEqual(['1270', '1270', '1340']), patience)
  await a.inside('w1', 'ping -c1 -W5 -s 1242 w2')
  ip(b, 'link set underlay mtu 1500')
  await vi.waitFor(async () => expect(await mtus()).toEqual(['1370', '1370', '1440']), patience)
  await a.inside('w1', 'ping -c1 -W5 -s 1342 w2')
})

test('a key is exchanged under traffic', async () => {
  const before = device(b.daemon).publicKey
  const old = keysOf(b)
  const { sent, lost } = await pinging(a, 'w1', 'w2', async () => {
    utimesSync(keyFile(b), 0, 0)
    await vi.waitFor(() => expect(device(b.daemon).publicKey).not.toBe(before), patience)
    await vi.waitFor(() => {
      const { peers } = device(a.daemon)
      const allowed = [`${tunnelAddress('h2')}/128`]
      expect(peers).toMatchObject([{ publicKey: device(b.daemon).publicKey, allowed }])
    }, patience)
  })
  expect(keysOf(b)).toEqual({ current: expect.not.stringContaining(old.current), next: undefined })
  expect(sent).toBeGreaterThan(100)
  // Everything takes ten times as long here, the hosts' hearing of each other as well.
  expect(lost).toBeLessThan(20)
  await reaches(b, 'w2', 'w1')
})

test('the device comes back when it is deleted, down, or without its address', async () => {
  for (const change of ['link del', 'link set down', 'addr flush']) {
    ip(a, `${change} dev ${tunnelOf(a)}`)
    await vi.waitFor(() => reaches(a, 'w1', 'w2'), patience)
  }
})

test('peers that somebody else has changed are put right', async () => {
  const before = device(a.daemon).peers
  change(a.daemon, { peers: [{ publicKey: before[0]!.publicKey, allowed: ['fe80::1/128'] }] })
  await vi.waitFor(() => expect(device(a.daemon).peers).toEqual(before), patience)
  const stranger = Buffer.alloc(32, 7).toString('base64')
  change(a.daemon, {
    peers: [
      { publicKey: stranger, allowed: ['::/0'] },
      { ...before[0]!, isGone: true },
    ],
  })
  await vi.waitFor(() => expect(device(a.daemon).peers).toEqual(before), patience)
  await reaches(a, 'w1', 'w2')
})

test('nothing is lost while a daemon is killed and comes back, and the device stays', async () => {
  const index = ip(a, `-o link show ${tunnelOf(a)}`).split(':')[0]
  const { sent, lost } = await pinging(b, 'w2', 'w1', async () => {
    await a.daemon.kill()
    await sleep(2000)
    await a.daemon.launch()
  })
  expect(sent).toBeGreaterThan(100)
  expect(lost).toBe(0)
  expect(ip(a, `-o link show ${tunnelOf(a)}`).split(':')[0]).toBe(index)
})

test('the device goes with the last endpoint, and a host’s key from the others with the host', async () => {
  const left = device(b.daemon).publicKey
  await b.remove('w2', 'p2')
  expect(ip(b, '-o link show type wireguard')).toBe('')
  expect(device(a.daemon).peers.map(({ publicKey }) => publicKey)).toEqual([left])
  await b.daemon.terminate()
  await vi.waitFor(() => expect(device(a.daemon).peers).toEqual([]), patience)
  await a.remove('w1', 'p1')
  await a.docker('network', 'rm', 'mesh')
  const links = (): string => ip(a, '-o link show type wireguard') + ip(a, '-o link show type vxlan')
  expect(links()).toBe('')
  // as a daemon leaves it that is killed
  await a.daemon.kill()
  ip(a, `link add ${tunnelOf(a)} type wireguard`)
  ip(a, `link set ${tunnelOf(a)} alias ${a.daemon.mark}/overlay:tunnel`)
  await a.daemon.launch()
  await vi.waitFor(() => expect(links()).toBe(''), patience)
})
