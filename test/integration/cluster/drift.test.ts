import { afterAll, beforeAll, expect, it } from 'vitest'
import { TestClient } from '../../helpers/client.ts'
import { TestCluster, underlay } from '../../helpers/cluster.ts'
import { busyboxArchive } from '../../helpers/daemon.ts'
import { EventReader } from '../../helpers/events.ts'
import { eventually } from '../../helpers/eventually.ts'

const cluster = await TestCluster.start({ hosts: 2 })
const [a, b] = cluster.hosts.map((host) => new TestClient(host)) as [TestClient, TestClient]
let bridge: string
let port: string
let mac: string

beforeAll(async () => {
  const input = busyboxArchive()
  await Promise.all(cluster.hosts.map((host) => host.dockerWith({ input }, 'import', '-', 'box')))
  const id = await a.tsnet('network', 'create', '-d', 'overlay', 'mesh')
  await eventually(() => b.inspect('network', 'mesh'))
  for (const [client, name] of [[a, 'w1'] as const, [b, 'w2'] as const])
    await client.wait(name, '--network', 'mesh')
  bridge = `br-${id.slice(0, 12)}`
  port = `vx-${id.slice(0, 12)}`
  mac = (await b.inspect('container', 'w2')).NetworkSettings.Networks['mesh']!.MacAddress
})
afterAll(() => cluster.stop())

const reaches = () => a.inside('w1', 'ping -c1 -W1 w2')
const mtus = () =>
  [bridge, port].map((name) => Number(/mtu (\d+)/.exec(a.daemon.inNetns('ip', ['link', 'show', name]))?.[1]))

it.each([
  ['the port to the other hosts is deleted', () => ['ip', 'link', 'del', port], /link vx-\w+ .* was gone/],
  ['the bridge is deleted', () => ['ip', 'link', 'del', bridge], /bridge br-\w+ was gone/],
  ['an entry is deleted', () => ['bridge', 'fdb', 'del', mac, 'dev', port, 'self'], /1 entry .* was gone/],
  [
    'an entry leads elsewhere',
    () => ['bridge', 'fdb', 'replace', mac, 'dev', port, 'self', 'dst', '192.0.2.9'],
    /1 entry .* led elsewhere/,
  ],
  [
    'an interface is deleted',
    () => ['sh', '-c', `ip link del $(ip -br link show master ${bridge} | grep -o '^veth[^@]*')`],
    /interface eth0 of container w1 was gone/,
  ],
])('containers reach each other again, and it is told, when %s', async (_, command, told) => {
  await reaches()
  const events = await EventReader.open(a.daemon, { event: ['repair'], type: ['network'] })
  try {
    const [program = '', ...args] = command()
    a.daemon.inNetns(program, args)
    const faults = () => events.seen.map(({ Actor }) => Actor.Attributes['faults']).join()
    await eventually(() => expect(faults()).toMatch(told))
    await reaches()
  } finally {
    events.close()
  }
})

it('TCP gets through where the way is narrower than the hosts’ links, though bridged frames pass iptables', async () => {
  const host = a.daemon
  host.inNetns('sh', ['-c', 'echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables'])
  host.inNetns('ip', ['route', 'add', `${underlay.v4}.12`, 'dev', 'underlay', 'mtu', '1400'])
  try {
    // Without an end of what it is to send itself it stays until all is there.
    const open = `mkfifo /tmp/open; exec 3<>/tmp/open`
    const received = b.inside('w2', `${open}; timeout 20 nc -l -p 5001 <&3 | wc -c`)
    await eventually(() => a.inside('w1', 'head -c 4000000 /dev/zero | timeout 20 nc w2 5001'))
    expect((await received).trim()).toBe('4000000')
    // It was told how long packets may be.
    const told = await a.inside('w1', "awk '/^Icmp: [0-9]/ {print $5}' /proc/net/snmp")
    expect(Number(told)).toBeGreaterThan(0)
  } finally {
    host.inNetns('ip', ['route', 'del', `${underlay.v4}.12`])
  }
})

it('packets get as long as the hosts’ shortest way allows, as it changes', async () => {
  expect(mtus()).toEqual([1450, 1450])
  b.daemon.inNetns('ip', ['link', 'set', 'underlay', 'mtu', '1400'])
  await eventually(async () => {
    expect(mtus()).toEqual([1350, 1350])
    expect(await a.inside('w1', 'ip link show eth0')).toContain('mtu 1350')
    expect(await b.inside('w2', 'ip link show eth0')).toContain('mtu 1350')
  })
  await a.inside('w1', 'ping -c1 -W1 -s1322 w2')
})
