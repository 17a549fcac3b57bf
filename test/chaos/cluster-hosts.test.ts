import { availableParallelism, loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { TestCluster } from '../helpers/cluster.ts'
import { busyboxArchive } from '../helpers/daemon.ts'
import { eventually } from '../helpers/eventually.ts'
import { HostCredentials } from '../helpers/host-credentials.ts'

const credentials = new HostCredentials()
const { certificates } = credentials
// With the TTL that hosts have unless told.
const cluster = await TestCluster.start({
  servers: 3,
  tls: certificates,
  parameters: (host) => credentials.issue(`h${host + 1}`, 'first'),
})
const { etcd } = cluster
const clients = cluster.hosts.map((host) => new TestClient(host))
const [a, , c] = clients as [TestClient, TestClient, TestClient]
let dead = -1
const mac = '02:00:00:00:77:0'

beforeAll(async () => {
  await etcd.requirePasswords({ h1: 'first', h2: 'first', h3: 'first' }, '/tsnet/')
  const input = busyboxArchive()
  await Promise.all(cluster.hosts.map((host) => host.dockerWith({ input }, 'import', '-', 'box')))
  await a.tsnet('network', 'create', '-d', 'overlay', '--subnet', '10.201.0.0/24', 'mesh')
  await Promise.all(clients.map((client) => eventually(() => client.inspect('network', 'mesh'))))
  for (const [index, client] of clients.entries()) await client.wait(`w${index + 1}`, '--network', 'mesh')
  await whole()
})
afterEach(async () => {
  if (dead >= 0) await etcd.launch(dead)
  dead = -1
})
afterAll(async () => {
  await cluster.stop()
  credentials[Symbol.dispose]()
})

const restartEtcd = async () => {
  await etcd.killAll()
  await etcd.launchAll()
}

const permitAll = async (kind: 'read' | 'readwrite') => {
  for (const host of ['h1', 'h2', 'h3']) await etcd.permit(host, kind, '/tsnet/')
}

const reach = (client: TestClient, from: string, to: string) =>
  client.inside(from, `ping -c1 -W2 ${to} >/dev/null`)

/** Every container finds every other by its name. */
async function whole(): Promise<void> {
  const pairs = clients.flatMap((client, from) =>
    clients.flatMap((_, to) => (from === to ? [] : [() => reach(client, `w${from + 1}`, `w${to + 1}`)])),
  )
  await Promise.all(pairs.map((pair) => eventually(pair)))
}

/** What one host starts another finds. */
async function newcomer(): Promise<void> {
  await eventually(() => a.wait('new', '--network', 'mesh'))
  await eventually(() => reach(c, 'w3', 'new'))
}

/** What stands in etcd for a host that is not there, or for an endpoint whose container is not. */
async function withoutOwner(): Promise<string[]> {
  const lists = await Promise.all(clients.map((client) => client.docker('ps', '-aq', '--no-trunc')))
  const containers = lists.flatMap((list) => list.split('\n'))
  const keys = [...(await etcd.read('/tsnet/'))]
  const nodes = keys.flatMap(([key]) => /^\/tsnet\/nodes\/(.+)/.exec(key)?.[1] ?? [])
  return keys.flatMap(([key, value]) => {
    if (/^\/tsnet\/(blocks|names|addresses)\//.test(key))
      return nodes.includes(value.split(' ')[0]!) ? [] : key
    if (!key.startsWith('/tsnet/endpoints/')) return []
    const { node, container } = JSON.parse(value) as { node: string; container: string }
    return nodes.includes(node) && containers.includes(container) ? [] : key
  })
}

/** The third host hears nobody, or nobody hears it. */
function deafen(hook: 'input' | 'output'): () => void {
  const direction = hook === 'input' ? 'iifname' : 'oifname'
  c.daemon.inNetns('nft', [
    'add table inet deaf;' +
      `add chain inet deaf way { type filter hook ${hook} priority -500; };` +
      `add rule inet deaf way ${direction} underlay drop`,
  ])
  return () => void c.daemon.inNetns('nft', ['delete', 'table', 'inet', 'deaf'])
}

async function cut(seconds: number): Promise<void> {
  cluster.plug(2, false)
  await reach(a, 'w1', 'w2')
  await sleep(seconds * 1000)
  cluster.plug(2, true)
}

/** How long etcd is away is in seconds. */
async function withoutEtcd(servers: readonly number[], seconds: number): Promise<void> {
  await Promise.all(servers.map((index) => etcd.kill(index)))
  await talkFor(seconds)
}

/** Containers talk all the time. */
async function talkFor(seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000
  do {
    for (const [from, to] of [
      ['w1', 'w2'],
      ['w1', 'w3'],
    ] as const)
      await reach(a, from, to)
    await sleep(200)
  } while (performance.now() < end)
}

/** By how many programs a processor is wanted, at least one. */
const shares = (): number => Math.max(1, loadavg()[0]! / availableParallelism())

interface Fault {
  /** Seconds after which all is well again, on a machine that has nothing else to do. */
  readonly within: number
  /** Resolves when the cause is gone. */
  readonly befall: () => Promise<unknown>
}

const faults: Readonly<Record<string, Fault>> = {
  'the leader of etcd is killed': {
    within: 5,
    befall: async () => {
      dead = await etcd.leader()
      await etcd.kill(dead)
    },
  },
  'all servers of etcd are killed and started again': {
    within: 5,
    befall: async () => {
      await withoutEtcd([0, 1, 2], 5)
      await etcd.launchAll()
    },
  },
  'most servers of etcd are away for a minute': {
    within: 5,
    befall: async () => {
      await withoutEtcd([0, 1], 60)
      await Promise.all([0, 1].map((index) => etcd.launch(index)))
    },
  },
  'a host is cut off for less than its lease': { within: 5, befall: () => cut(5) },
  'a host is cut off for longer than its lease': { within: 5, befall: () => cut(20) },
  'etcd forgets what was while a host is cut off': {
    within: 5,
    befall: async () => {
      const away = cut(20)
      await sleep(2000)
      await a.docker('network', 'disconnect', 'mesh', 'w1')
      await a.docker('network', 'connect', 'mesh', 'w1')
      await etcd.compact()
      await away
    },
  },
  'a host hears nobody': {
    within: 5,
    befall: async () => {
      const end = deafen('input')
      await sleep(20_000)
      end()
    },
  },
  'nobody hears a host': {
    within: 5,
    befall: async () => {
      const end = deafen('output')
      await sleep(20_000)
      end()
    },
  },
  'a daemon is killed and started again': {
    within: 5,
    befall: async () => {
      await c.daemon.kill()
      await reach(a, 'w1', 'w3')
      await c.daemon.launch()
    },
  },
  'a daemon is dead for three times as long as its lease': {
    within: 5,
    befall: async () => {
      await c.daemon.kill()
      // nobody has forgotten its host
      await talkFor(45)
      await c.daemon.launch()
    },
  },
  'a daemon is dead for longer than its lease, and its supervisor, which would have kept that': {
    within: 5,
    befall: async () => {
      const supervisor = c.daemon.supervisorPid()
      await c.daemon.kill()
      process.kill(supervisor, 'SIGKILL')
      await sleep(20_000)
      await c.daemon.launch()
    },
  },
  'the entries for other hosts are deleted by hand': {
    within: 10,
    befall: async () => {
      const [, device = ''] = /\d+: (vx-[^:@]+)/.exec(a.daemon.inNetns('ip', ['-o', 'link'])) ?? []
      a.daemon.inNetns('bridge', ['fdb', 'flush', 'dev', device, 'self'])
    },
  },
  'the password of a host is another, for longer than its lease': {
    within: 5,
    befall: async () => {
      await etcd.replaceUser('h3', 'second')
      await restartEtcd()
      await sleep(20_000)
      await reach(a, 'w1', 'w2')
      credentials.writePassword('h3', 'second')
    },
  },
  'the certificate of a host has expired, for longer than its lease': {
    within: 5,
    befall: async () => {
      certificates.issue('h3', { days: -1 })
      await restartEtcd()
      await sleep(20_000)
      await reach(a, 'w1', 'w2')
      certificates.issue('h3')
    },
  },
  'the servers of etcd have certificates of another authority for a while': {
    within: 5,
    befall: async () => {
      const restore = credentials.exchangeServers()
      await restartEtcd()
      await sleep(20_000)
      await reach(a, 'w1', 'w3')
      restore()
    },
  },
  'nobody may write for a while': {
    within: 5,
    befall: async () => {
      await permitAll('read')
      await c.docker('network', 'disconnect', 'mesh', 'w3')
      await c.docker('network', 'connect', 'mesh', 'w3')
      await sleep(20_000)
      await reach(a, 'w1', 'w2')
      await permitAll('readwrite')
    },
  },
  'an address comes back with another hardware address': {
    within: 5,
    befall: async () => {
      for (const last of [1, 2]) {
        await c.docker('rm', '-f', 'w3')
        await eventually(() =>
          c.wait('w3', '--network', 'mesh', '--ip', '10.201.0.201', '--mac-address', `${mac}${last}`),
        )
        if (last === 1) await whole()
      }
    },
  },
}

it.each(Object.entries(faults))(
  'containers find each other and etcd is in order after: %s',
  async (title, fault) => {
    await fault.befall()
    const began = performance.now()
    await Promise.all([whole(), newcomer()])
    const reached = (performance.now() - began) / 1000
    await a.remove('new')
    await eventually(async () => expect(await withoutOwner()).toEqual([]))
    const all = (performance.now() - began) / 1000
    console.log(`${title}: ${reached.toFixed(1)} s until all reach each other, ${all.toFixed(1)} s in all`)
    expect(reached).toBeLessThan(fault.within * shares())
  },
  120_000,
)
