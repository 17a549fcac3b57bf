import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { NetworkVerified, VerifiedPath } from '../../../src/api/schema/verification.ts'
import { TestClient } from '../../helpers/client.ts'
import { TestCluster, underlay } from '../../helpers/cluster.ts'
import { busyboxArchive } from '../../helpers/daemon.ts'
import { eventually } from '../../helpers/eventually.ts'

const cluster = await TestCluster.start()
const clients = cluster.hosts.map((host) => new TestClient(host))
const [a, b, c] = clients as [TestClient, TestClient, TestClient]

beforeAll(async () => {
  const input = busyboxArchive()
  await Promise.all(cluster.hosts.map((host) => host.dockerWith({ input }, 'import', '-', 'box')))
})
afterAll(() => cluster.stop())

const verify = async (client: TestClient, network = 'mesh'): Promise<NetworkVerified> => {
  const { status, body } = await client.daemon.api('POST', `/tsnet/v1/networks/${network}/verify`)
  if (status !== 200) throw new Error(`verify ${network}: ${status}: ${JSON.stringify(body)}`)
  return body as NetworkVerified
}

/** `h1 h2 ok`, of all pairs. */
const statesOf = ({ Paths }: NetworkVerified): string[] =>
  Paths.map(({ From, To, State }) => `${From} ${To} ${State}`)

const all = (state: string): string[] =>
  ['h1 h2', 'h1 h3', 'h2 h1', 'h2 h3', 'h3 h1', 'h3 h2'].map((pair) => `${pair} ${state}`)

/** Every pair is well but for those between these two. */
const butBetween = (one: string, other: string, state: string): string[] =>
  all('ok').map((line) => (line.includes(one) && line.includes(other) ? line.replace('ok', state) : line))

const pathOf = ({ Paths }: NetworkVerified, from: string, to: string): VerifiedPath | undefined =>
  Paths.find(({ From, To }) => From === from && To === to)

/** Host `to` does not hear packets of host `from`, both counted from 1, or those only that `which` tells. */
function deafen(to: number, from: number, which: readonly string[] = []): Disposable {
  const { daemon } = clients[to - 1]!
  const nft = (line: string): string => daemon.inNetns('nft', [line])
  nft('add table inet deaf')
  nft('add chain inet deaf input { type filter hook input priority -300; }')
  nft(`add rule inet deaf input ip saddr ${underlay.v4}.${10 + from} ${which.join(' ')} drop`)
  return { [Symbol.dispose]: () => void nft('delete table inet deaf') }
}

async function makeMesh(...args: string[]): Promise<void> {
  await a.tsnet('network', 'create', '-d', 'overlay', ...args, 'mesh')
  await Promise.all(clients.map((client) => eventually(() => client.inspect('network', 'mesh'))))
}

const startOn = (host: number): Promise<string> => clients[host - 1]!.wait(`w${host}`, '--network', 'mesh')

async function removeMesh(): Promise<void> {
  await Promise.all(clients.map((client) => client.clear()))
  await eventually(() => a.tsnet('network', 'rm', 'mesh'))
}

/** What stands in etcd of questions and answers. */
const leftOvers = async (): Promise<string[]> => {
  const keys = [...(await cluster.etcd.read('/tsnet/')).keys()]
  return keys.filter((key) => key.startsWith('/tsnet/verif'))
}

describe('a network that three hosts are on', () => {
  beforeAll(async () => {
    await makeMesh()
    await Promise.all([1, 2, 3].map(startOn))
    await eventually(async () => expect(statesOf(await verify(a))).toEqual(all('ok')))
  })
  afterAll(removeMesh)

  it('is found well by each of them, with its MTU and without loss, and nothing stays in etcd', async () => {
    const { code, stdout, stderr } = await b.daemon.tsnet('network', 'verify', 'mesh')
    expect([code, stderr]).toEqual([0, ''])
    const [head = '', ...rows] = stdout.trim().split('\n')
    expect(head.split(/ {2,}/)).toEqual(['FROM', 'TO h1', 'TO h2', 'TO h3', 'REPAIRED'])
    expect(rows.map((row) => row.split(/ {2,}/)[0])).toEqual(['h1', 'h2', 'h3'])
    for (const row of rows) expect(row.match(/MTU 1450, 0% lost, \d+\.\d\d ms/g)).toHaveLength(2)
    await eventually(async () => expect(await leftOvers()).toEqual([]))
  })

  it('is told pair by pair with --format', async () => {
    const lines = (await c.tsnet('network', 'verify', '--format', 'json', 'mesh')).split('\n')
    expect(lines.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({ From: 'h3', To: 'h1', State: 'ok', PathMtu: '1450', Container: 'w1' }),
    )
    const format = '{{.From}} {{.To}} {{.State}}'
    expect((await c.tsnet('network', 'verify', '--format', format, 'mesh')).split('\n')).toEqual(all('ok'))
  })

  it('is looked at for several who ask at once', async () => {
    const answers = await Promise.all([a, b, c, a, b, c].map((client) => verify(client)))
    for (const answer of answers) expect(statesOf(answer)).toEqual(all('ok'))
  })

  it('shows the one pair that does not hear each other, and fails', async () => {
    using _one = deafen(1, 2)
    using _other = deafen(2, 1)
    const { code, stdout, stderr } = await c.daemon.tsnet('network', 'verify', 'mesh')
    expect(code).toBe(1)
    const rows = stdout.split('\n').map((row) => row.match(/MTU 1450, 0% lost|unreachable| -(?= )/g))
    const [well, cut] = ['MTU 1450, 0% lost', 'unreachable']
    expect(rows.slice(1, 4)).toEqual([
      [' -', cut, well],
      [cut, ' -', well],
      [well, well, ' -'],
    ])
    const told = async (from: string, to: string, client: TestClient): Promise<string> =>
      `${from} to h${to} (w${to}, ${await client.addressOf(`w${to}`, 'mesh')}): none of 10 packets was answered`
    expect(stderr.trim().split('\n')).toEqual([await told('h1', '2', b), await told('h2', '1', a)])
  })

  it('shows a pair of which one only does not hear the other', async () => {
    using _deaf = deafen(3, 2)
    expect(statesOf(await verify(a))).toEqual(butBetween('h2', 'h3', 'unreachable'))
  })

  it('shows how much is lost on the way', async () => {
    // Every second echo: the last bit of its number, behind the headers of UDP, VXLAN, Ethernet and IP.
    using _deaf = deafen(2, 1, ['udp', 'dport', '4789', '@th,456,8', '&', '1', '==', '1'])
    const verified = await verify(a)
    expect(statesOf(verified)).toEqual(butBetween('h1', 'h2', 'lossy'))
    expect(pathOf(verified, 'h1', 'h2')).toMatchObject({ Sent: 10, Received: 5, PathMtu: 1450 })
  })

  it('has entries that somebody took away put right, and counted', async () => {
    const repaired = ({ Hosts }: NetworkVerified): number => Hosts.find(({ Name }) => Name === 'h1')!.Repaired
    const before = repaired(await verify(c))
    const { MacAddress: mac } = (await b.inspect('container', 'w2')).NetworkSettings.Networks['mesh']!
    const [, device = ''] = /\d+: (vx-[^:@]+)/.exec(a.daemon.inNetns('ip', ['-o', 'link'])) ?? []
    a.daemon.inNetns('bridge', ['fdb', 'del', mac, 'dev', device, 'dst', `${underlay.v4}.12`, 'self'])
    const after = await verify(c)
    expect(statesOf(after)).toEqual(all('ok'))
    expect(repaired(after)).toBeGreaterThan(before)
  })

  it('shows a link of the underlay that takes shorter packets than it should', async () => {
    const linkTo3 = (mtu: string): Promise<string> =>
      cluster.outside('ip', 'link', 'set', 'host2', 'mtu', mtu)
    await linkTo3('1400')
    try {
      const verified = await verify(a)
      expect(statesOf(verified)).toEqual(
        all('ok').map((line) => (line.includes('h3') ? line.replace('ok', 'mtu') : line)),
      )
      // A link takes four bytes more than its MTU, for a VLAN's tag.
      for (const from of ['h1', 'h2'])
        expect([1350, 1351, 1352, 1353, 1354]).toContain(pathOf(verified, from, 'h3')?.PathMtu)
      const { code, stderr } = await a.daemon.tsnet('network', 'verify', 'mesh')
      expect(code).toBe(1)
      expect(stderr).toMatch(
        /h1 to h3 \(w3, .*\): packets longer than 135\d bytes do not arrive, although the network has 1450/,
      )
    } finally {
      await linkTo3('1500')
    }
  })

  it('shows who has not answered, beside the ways that go on without its daemon', async () => {
    await c.daemon.kill()
    try {
      const { code, stdout, stderr } = await a.daemon.tsnet('network', 'verify', 'mesh')
      expect([code, stderr]).toEqual([1, 'h3 has not answered in time\n'])
      expect(stdout).toMatch(/^h1 +- +MTU 1450.* +MTU 1450/m)
      expect(stdout).toMatch(/^h3 +no answer +no answer +- +-$/m)
    } finally {
      await c.daemon.launch()
    }
    await eventually(async () => expect(statesOf(await verify(a))).toEqual(all('ok')))
  })

  it('is told as this host alone finds it while etcd is away', async () => {
    await cluster.etcd.killAll()
    try {
      const { code, stdout, stderr } = await a.daemon.tsnet('network', 'verify', 'mesh')
      expect(stderr).toMatch(/^this host alone was asked: .*etcd/)
      expect(stdout.trim().split('\n')).toHaveLength(2)
      expect(stdout).toMatch(/^h1 +- +MTU 1450.* +MTU 1450/m)
      expect(code).toBe(0)
    } finally {
      await cluster.etcd.launchAll()
    }
    await eventually(async () => expect(statesOf(await verify(a))).toEqual(all('ok')))
  })
})

describe('other networks', () => {
  beforeEach(() => makeMesh('--subnet', '10.204.0.0/24'))
  afterEach(removeMesh)

  it('that the asked host is not on are asked about all the same', async () => {
    await Promise.all([1, 2].map(startOn))
    await eventually(async () => expect(statesOf(await verify(c))).toEqual(['h1 h2 ok', 'h2 h1 ok']))
  })

  it('are verified by IPv6 where there is no other', async () => {
    await removeMesh()
    await makeMesh('--ipv4=false', '--ipv6')
    await Promise.all([1, 2].map(startOn))
    await eventually(async () => expect(statesOf(await verify(a))).toEqual(['h1 h2 ok', 'h2 h1 ok']))
    expect(pathOf(await verify(a), 'h1', 'h2')).toMatchObject({
      PathMtu: 1450,
      Address: expect.stringContaining(':'),
    })
  })

  it('are seen by another container of a host when one does not answer', async () => {
    await startOn(1)
    const silence = ['--sysctl', 'net.ipv4.icmp_echo_ignore_all=1']
    await b.wait('silent', '--network', 'mesh', ...silence)
    await eventually(async () => expect(statesOf(await verify(a))).toEqual(['h1 h2 unreachable', 'h2 h1 ok']))
    await startOn(2)
    await eventually(async () => expect(pathOf(await verify(a), 'h1', 'h2')?.Container).toBe('w2'))
    expect(statesOf(await verify(a))).toEqual(['h1 h2 ok', 'h2 h1 ok'])
  })

  it('that nobody is on, and those of one host, are refused', async () => {
    const refusal = async (network: string): Promise<string> => {
      const { code, stderr } = await a.daemon.tsnet('network', 'verify', network)
      expect(code).toBe(1)
      return stderr
    }
    expect(await refusal('mesh')).toMatch(/network mesh has no endpoints on any host/)
    expect(await refusal('bridge')).toMatch(/network bridge is this host's alone, with the driver bridge/)
    expect(await refusal('nothing')).toMatch(/network nothing not found/)
  })
})
