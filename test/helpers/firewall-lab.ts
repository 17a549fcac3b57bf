/**
 * A small world for firewall tests: the test's own main thread becomes "the host" in a throw-away network namespace,
 * with two ordinary bridges, an internal one, containers on them, and two outside clients one hop away.
 *
 *     client 192.0.2.2 ──── 192.0.2.1 (out) host ── br-a 172.30.1.1 ── a1 .2, a2 .3
 *     far 198.51.100.2 ── 198.51.100.1 (away) ├── br-b 172.30.2.1 ── b1 .2
 *                                             └── br-i 172.30.3.1 ── i1 .2   (internal)
 */
import { execFileSync } from 'node:child_process'
import dgram from 'node:dgram'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BridgeRule, Family } from '../../src/firewall/rules.ts'
import { CLONE_NEWNET } from '../../src/sys/constants/sched.ts'
import type { Fd } from '../../src/sys/fd.ts'
import { check, libc } from '../../src/sys/libc.ts'
import { createNetns, inNetns, removeNetns, warmThreadPool } from '../../src/sys/netns.ts'
import { openInetSocket } from '../../src/sys/socket.ts'
import { giveUpAfter, readTcp } from './probe.ts'

/** Moves this process's main thread, for good, into a new network namespace with loopback up. */
export async function enterThrowAwayNetns(): Promise<void> {
  await warmThreadPool()
  check(libc.func('int unshare(int)')(CLONE_NEWNET), 'unshare')
  switchOffDad()
  ip('link set lo up')
}

/** Addresses are to be usable at once; link-local ones come without being asked for. */
function switchOffDad(): void {
  writeFileSync('/proc/sys/net/ipv6/conf/default/accept_dad', '0')
}

export function ip(command: string): string {
  return execFileSync('ip', command.split(' '), { encoding: 'utf8' })
}

/** A namespace beside the host's, with servers and clients in it. */
export class Place {
  readonly name: string
  readonly netns: Fd
  readonly #path: string
  readonly #closers: (() => void)[] = []

  constructor(name: string, directory: string) {
    this.name = name
    this.#path = join(directory, name)
    this.netns = createNetns(this.#path)
    inNetns(this.netns, switchOffDad)
    this.ip('link set lo up')
  }

  get path(): string {
    return this.#path
  }

  ip(command: string): string {
    return inNetns(this.netns, () => ip(command))
  }

  /** Serves `<name> <client's address> <own port>` on TCP. */
  async serveTcp(family: Family, port: number, address = family === 4 ? '0.0.0.0' : '::'): Promise<void> {
    const fd = inNetns(this.netns, () =>
      openInetSocket({
        family,
        type: 'stream',
        address,
        port,
        listen: 64,
        reuseAddress: true,
        v6only: family === 6,
      }),
    )
    const server = net.createServer((socket) => {
      socket.on('error', () => undefined)
      socket.end(`${this.name} ${socket.remoteAddress} ${port}`)
    })
    this.#closers.push(() => server.close())
    await new Promise<void>((resolve) => server.listen({ fd: fd.release() }, resolve))
  }

  async serveUdp(family: Family, port: number, address = family === 4 ? '0.0.0.0' : '::'): Promise<void> {
    const fd = inNetns(this.netns, () =>
      openInetSocket({ family, type: 'datagram', address, port, v6only: family === 6 }),
    )
    const socket = dgram.createSocket(family === 4 ? 'udp4' : 'udp6')
    socket.on('message', (_, client) =>
      socket.send(`${this.name} ${client.address} ${port}`, client.port, client.address),
    )
    this.#closers.push(() => socket.close())
    await new Promise<void>((resolve) => socket.bind({ fd: fd.release() }, () => resolve()))
  }

  /** What a TCP client here reads from `address`:`port`; 'nothing' when nobody answers in time. */
  tcp(address: string, port: number, time = patience): Promise<string> {
    return askByTcp(
      inNetns(this.netns, () => open(address, 'stream')),
      address,
      port,
      time,
    )
  }

  /** The same by UDP. */
  async udp(address: string, port: number): Promise<string> {
    return await askByUdp(
      inNetns(this.netns, () => open(address, 'datagram')),
      address,
      port,
    )
  }

  close(): void {
    for (const close of this.#closers) close()
    this.netns.close()
    removeNetns(this.#path)
  }
}

/** Milliseconds for which an answer is waited for: who answers is in this process too. */
const patience = 400

/** A socket of the present namespace. */
function open(address: string, type: 'stream' | 'datagram'): Fd {
  return net.isIPv6(address)
    ? openInetSocket({ family: 6, type, address: '::', port: 0 })
    : openInetSocket({ family: 4, type, address: '0.0.0.0', port: 0 })
}

async function askByTcp(fd: Fd, address: string, port: number, time = patience): Promise<string> {
  const text = await readTcp(fd.release(), address, port, time).catch(() => '')
  return text === '' ? 'nothing' : text
}

async function askByUdp(fd: Fd, address: string, port: number): Promise<string> {
  const socket = dgram.createSocket(net.isIPv6(address) ? 'udp6' : 'udp4')
  await new Promise<void>((resolve) => socket.bind({ fd: fd.release() }, () => resolve()))
  const answer = new Promise<string>((resolve) => {
    socket.on('message', (message) => resolve(message.toString()))
    socket.on('error', () => resolve('nothing'))
    giveUpAfter(patience, () => resolve('nothing'))
  })
  socket.send('hello', port, address)
  const text = await answer
  socket.close()
  return text
}

/** What a client on the host itself reads. */
export const host = {
  tcp: (address: string, port: number, time = patience) =>
    askByTcp(open(address, 'stream'), address, port, time),
  udp: (address: string, port: number) => askByUdp(open(address, 'datagram'), address, port),
}

export interface Lab {
  readonly client: Place
  readonly far: Place
  readonly a1: Place
  readonly a2: Place
  readonly b1: Place
  readonly i1: Place
  close(): void
}

/** Builds the world. `enterThrowAwayNetns` comes first. */
export async function createLab(): Promise<Lab> {
  const directory = mkdtempSync(join(tmpdir(), 'tsnet-lab-'))
  const client = addClient('client', 'out', '192.0.2', '2001:db8::', directory)
  const far = addClient('far', 'away', '198.51.100', '2001:db8:1::', directory)
  for (const bridge of ['a', 'b', 'i'] as const) addBridge(bridge)
  const places = {
    client,
    far,
    a1: addContainer('a1', 'a', 2, directory),
    a2: addContainer('a2', 'a', 3, directory),
    b1: addContainer('b1', 'b', 2, directory),
    i1: addContainer('i1', 'i', 2, directory),
  }
  await becomeNeighbours(places)
  return {
    ...places,
    close() {
      for (const place of Object.values(places)) place.close()
      rmSync(directory, { recursive: true })
    },
  }
}

/** The first neighbour solicitations on a new link get lost and are repeated after a second, as long as a client waits. */
async function becomeNeighbours(places: Readonly<Record<string, Place>>): Promise<void> {
  const gateways = {
    client: '2001:db8::1',
    far: '2001:db8:1::1',
    a1: 'fd00:30:1::1',
    a2: 'fd00:30:1::1',
    b1: 'fd00:30:2::1',
    i1: 'fd00:30:3::1',
  }
  const far = ['2001:db8::2', '2001:db8:1::2', 'fd00:30:1::2', 'fd00:30:1::3', 'fd00:30:2::2', 'fd00:30:3::2']
  await Promise.all([
    ...Object.entries(gateways).map(([name, gateway]) => places[name]!.tcp(gateway, 9, 1500)),
    ...far.map((address) => host.tcp(address, 9, 1500)),
  ])
}

const numbers = { a: 1, b: 2, i: 3 } as const

/** A neighbour behind the host's interface `link`, who would like to reach everything through the host. */
function addClient(name: string, link: string, net4: string, net6: string, directory: string): Place {
  const client = new Place(name, directory)
  ip(`link add ${link} type veth peer name eth0 netns ${client.path}`)
  ip(`addr add ${net4}.1/24 dev ${link}`)
  ip(`addr add ${net6}1/64 dev ${link} nodad`)
  ip(`link set ${link} up`)
  client.ip(`addr add ${net4}.2/24 dev eth0`)
  client.ip(`addr add ${net6}2/64 dev eth0 nodad`)
  client.ip('link set eth0 up')
  client.ip(`route add default via ${net4}.1`)
  client.ip(`route add default via ${net6}1`)
  return client
}

function addBridge(letter: keyof typeof numbers): void {
  const name = `br-${letter}`
  ip(`link add ${name} type bridge`)
  ip(`addr add 172.30.${numbers[letter]}.1/24 dev ${name}`)
  ip(`addr add fd00:30:${numbers[letter]}::1/64 dev ${name} nodad`)
  ip(`link set ${name} up`)
  writeFileSync(`/proc/sys/net/ipv4/conf/${name}/route_localnet`, '1')
}

function addContainer(name: string, letter: keyof typeof numbers, last: number, directory: string): Place {
  const place = new Place(name, directory)
  ip(`link add v-${name} type veth peer name eth0 netns ${place.path}`)
  ip(`link set v-${name} master br-${letter} up`)
  // where br_netfilter is loaded, DNAT back to the sender happens on the bridge port
  ip(`link set v-${name} type bridge_slave hairpin on`)
  place.ip(`addr add 172.30.${numbers[letter]}.${last}/24 dev eth0`)
  place.ip(`addr add fd00:30:${numbers[letter]}::${last}/64 dev eth0 nodad`)
  place.ip('link set eth0 up')
  place.ip(`route add default via 172.30.${numbers[letter]}.1`)
  place.ip(`route add default via fd00:30:${numbers[letter]}::1`)
  return place
}

/** The rules of the world's bridges. */
export function bridgeRules(families: readonly Family[] = [4, 6]): BridgeRule[] {
  return (['a', 'b', 'i'] as const).flatMap((letter) =>
    families.map((family) => ({
      kind: 'bridge' as const,
      owner: `${letter.repeat(4)}0000111122223333`,
      family,
      interface: `br-${letter}`,
      subnet: family === 4 ? `172.30.${numbers[letter]}.0/24` : `fd00:30:${numbers[letter]}::/64`,
      internal: letter === 'i',
      mode: 'nat' as const,
      masquerade: true,
      snatAddress: '',
      clampMss: false,
    })),
  )
}
