/**
 * Overlay networks between hosts, each a network namespace with a process of its own; the test's own namespace is the wire between them.
 * Hosts know of each other what the test tells them.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ClusterEndpoint, NodeRecord } from '../../src/cluster/cluster.ts'
import type { EndpointSpec } from '../../src/drivers/driver.ts'
import { vniOption } from '../../src/drivers/overlay/options.ts'
import type { NetworkRecord } from '../../src/store/records.ts'
import { bridgeName, hostVethName, vxlanName } from '../../src/values/interface-name.ts'
import { endpointSpec, networkRecord } from '../contract/driver.contract.ts'
import { enterThrowAwayNetns, ip } from '../helpers/firewall-lab.ts'
import { OverlayHost } from '../helpers/overlay-host.ts'
import { clusterEndpoint, nodeRecord } from '../helpers/told-cluster.ts'

const directory = mkdtempSync(join(tmpdir(), 'tsnet-hosts-'))
let hosts: readonly OverlayHost[] = []
let one: OverlayHost
let two: OverlayHost
let three: OverlayHost
let nextVni = 4096

beforeAll(async () => {
  await enterThrowAwayNetns()
  ip('link add wire type bridge')
  ip('link set wire up')
  hosts = await startHosts('192.0.2.1', '192.0.2.2', '192.0.2.3')
  ;[one, two, three] = hosts as [OverlayHost, OverlayHost, OverlayHost]
}, 60_000)

afterEach(async () => {
  await Promise.all(hosts.map((host) => host.call('reset', nodesOf(hosts))))
})

afterAll(async () => {
  for (const host of hosts) await host.stop()
  rmSync(directory, { recursive: true })
})

function nodesOf(some: readonly OverlayHost[]): (readonly [string, NodeRecord])[] {
  return some.map(({ node }) => [node.name, node])
}

/** Hosts that know each other. */
async function startHosts(...addresses: readonly string[]): Promise<OverlayHost[]> {
  const nodes = addresses.map((address, number) =>
    nodeRecord(`${address.includes(':') ? 'g' : 'h'}${number}`, address),
  )
  const some = await Promise.all(nodes.map((node) => OverlayHost.start(node, 'wire', directory)))
  for (const host of some) await host.call('tellNodes', nodesOf(some))
  return some
}

function overlay(part: Partial<NetworkRecord> = {}, options: Record<string, string> = {}): NetworkRecord {
  return networkRecord({
    driver: 'overlay',
    ...part,
    options: { [vniOption]: String(nextVni++), ...options },
  })
}

/** An endpoint on a host, of which all others are told. */
async function attach(
  on: OverlayHost,
  network: NetworkRecord,
  number: number,
  part: Partial<EndpointSpec> = {},
): Promise<{ spec: EndpointSpec; told: ClusterEndpoint }> {
  const spec = endpointSpec(network, number, part)
  const { mac } = await on.call('attach', spec)
  const { id, address4, address6 } = spec
  const told = clusterEndpoint(network.id, on.node.name, { id, address4, address6, mac })
  await tell(network, told)
  return { spec, told }
}

async function tell(network: NetworkRecord, ...endpoints: readonly ClusterEndpoint[]): Promise<void> {
  const entries = endpoints.map((endpoint) => [endpoint.id, endpoint] as const)
  await Promise.all(hosts.map((host) => host.call('tell', network.id, entries)))
}

async function forget(network: NetworkRecord, { id }: ClusterEndpoint): Promise<void> {
  await Promise.all(hosts.map((host) => host.call('tell', network.id, [[id, null]])))
}

/** Counts the packets that a host sends to others for overlay networks, from now on. */
async function countSent(host: OverlayHost): Promise<() => Promise<number>> {
  const commands = [
    'add table inet seen',
    'add chain inet seen out { type filter hook output priority 0 ; }',
    'add rule inet seen out udp dport 4789 counter',
  ]
  for (const command of commands) await host.call('run', `nft ${command}`)
  return async () => {
    const text = await host.call('run', 'nft list chain inet seen out')
    return Number(/counter packets (\d+)/.exec(text)![1])
  }
}

async function until(condition: () => Promise<boolean>, patience = 2000): Promise<void> {
  const end = Date.now() + patience
  while (!(await condition()) && Date.now() < end) await delay(20)
  expect(await condition()).toBe(true)
}

interface LinkView {
  readonly ifname: string
  readonly mtu: number
  readonly master?: string
  readonly address: string
}

async function link(host: OverlayHost, name: string): Promise<LinkView> {
  return JSON.parse(await host.call('run', `ip -j link show ${name}`))[0]
}

describe('containers of different hosts', () => {
  test('reach each other in both families, and not a packet more leaves a host than theirs', async () => {
    const network = overlay()
    for (const host of [one, two, three]) await host.call('create', network)
    const sent = await countSent(one)
    const a = await attach(one, network, 2)
    const b = await attach(two, network, 3)
    const c = await attach(three, network, 4)
    expect(await sent()).toBe(0)
    expect(await one.call('ping', a.spec.id, '10.91.0.3', 3)).toBe(3)
    expect(await one.call('ping', a.spec.id, 'fd00:91::4', 3)).toBe(3)
    expect(await sent()).toBe(6)
    expect(await two.call('ping', b.spec.id, '10.91.0.4')).toBe(1)
    expect(await three.call('ping', c.spec.id, 'fd00:91::3')).toBe(1)
    // neither what nobody has, nor what is for all
    for (const nobody of ['10.91.0.99', 'fd00:91::99', '10.91.0.255', 'ff02::1%eth0'])
      await one.call('ping', a.spec.id, nobody, 1, 1)
    await one.call('runIn', a.spec.id, 'ip neigh replace 10.91.0.98 lladdr 02:00:00:00:00:98 dev eth0')
    expect(await one.call('ping', a.spec.id, '10.91.0.98', 1, 1)).toBe(0)
    expect(await sent()).toBe(6)
    // each has the same gateway for itself
    for (const [host, endpoint] of [[one, a] as const, [two, b] as const]) {
      expect(await host.call('ping', endpoint.spec.id, '10.91.0.1')).toBe(1)
      expect(await host.call('ping', endpoint.spec.id, 'fd00:91::1')).toBe(1)
    }
    expect(await sent()).toBe(6)
    const gateways = await Promise.all(hosts.map((host) => link(host, bridgeName(network.id))))
    expect(new Set(gateways.map(({ address }) => address)).size).toBe(1)
  })

  test('reach each other over IPv6 between the hosts', async () => {
    const others = await startHosts('2001:db8:5::1', '2001:db8:5::2')
    const [left, right] = others as [OverlayHost, OverlayHost]
    try {
      const network = overlay()
      for (const host of others) await host.call('create', network)
      const a = await attach(left, network, 2)
      const b = await attach(right, network, 3)
      await left.call('tell', network.id, [[b.told.id, b.told]])
      await right.call('tell', network.id, [[a.told.id, a.told]])
      expect(await left.call('ping', a.spec.id, '10.91.0.3')).toBe(1)
      expect(await left.call('ping', a.spec.id, 'fd00:91::3')).toBe(1)
      expect((await link(left, vxlanName(network.id))).mtu).toBe(1430)
      const long = await left.call('runIn', a.spec.id, 'busybox ping -c 1 -W 1 -s 1402 10.91.0.3')
      expect(long).toContain('1 packets received')
    } finally {
      for (const host of others) await host.stop()
    }
  })

  test('of different networks do not reach each other, though their addresses are the same', async () => {
    const [red, blue] = [overlay(), overlay({ pools: [networkRecord().pools[0]!] })]
    await one.call('create', red)
    await two.call('create', blue)
    const a = await attach(one, red, 2)
    await attach(two, blue, 3, { address6: '', gateway6: '' })
    // a lie, as a forged packet would be one
    await tell(red, clusterEndpoint(red.id, 'h1', { address4: '10.91.0.3/24', mac: '02:00:00:00:00:03' }))
    expect(await one.call('ping', a.spec.id, '10.91.0.3', 1, 1)).toBe(0)
  })

  test('reach each other on a network that has no gateways anywhere', async () => {
    const isolated = ['4', '6'].map((family) => [
      `com.docker.network.bridge.gateway_mode_ipv${family}`,
      'isolated',
    ])
    const network = overlay({ internal: true }, Object.fromEntries(isolated))
    for (const host of [one, two]) await host.call('create', network)
    const none = { gateway4: '', gateway6: '' }
    const a = await attach(one, network, 2, none)
    await attach(two, network, 3, none)
    const reached = [
      await one.call('ping', a.spec.id, '10.91.0.3'),
      await one.call('ping', a.spec.id, 'fd00:91::3'),
    ]
    expect(reached).toEqual([1, 1])
    expect(await one.call('ping', a.spec.id, '10.91.0.1', 1, 1)).toBe(0)
    const bridge = await one.call('run', `ip -j addr show ${bridgeName(network.id)}`)
    expect(JSON.parse(bridge)[0].addr_info).toEqual([])
  })

  test('do not reach each other with enable_icc=false, but their gateways', async () => {
    const network = overlay({}, { 'com.docker.network.bridge.enable_icc': 'false' })
    for (const host of [one, two]) await host.call('create', network)
    const a = await attach(one, network, 2)
    await attach(two, network, 3)
    expect(await one.call('ping', a.spec.id, '10.91.0.3', 1, 1)).toBe(0)
    expect(await one.call('ping', a.spec.id, '10.91.0.1')).toBe(1)
  })

  test('are reached at once where an address comes back with another hardware address', async () => {
    const network = overlay({}, { 'com.docker.network.advertise_addr_nmsgs': '0' })
    for (const host of [one, two]) await host.call('create', network)
    const a = await attach(one, network, 2)
    const before = await attach(two, network, 3, { mac: '02:00:00:00:00:33' })
    for (const address of ['10.91.0.3', 'fd00:91::3'])
      expect(await one.call('ping', a.spec.id, address)).toBe(1)
    await two.call('detach', before.spec.id)
    await forget(network, before.told)
    expect(await one.call('ping', a.spec.id, '10.91.0.3', 1, 1)).toBe(0)
    await attach(two, network, 3, { mac: '02:00:00:00:00:34' })
    await until(async () => {
      const known = await one.call('runIn', a.spec.id, 'ip neigh show dev eth0')
      return !known.includes('02:00:00:00:00:33')
    }, 900)
    for (const address of ['10.91.0.3', 'fd00:91::3'])
      expect(await one.call('ping', a.spec.id, address)).toBe(1)
  })

  test('are found where an endpoint moves to the host of its neighbour', async () => {
    const network = overlay()
    for (const host of [one, two]) await host.call('create', network)
    const a = await attach(one, network, 2)
    const mac = '02:00:00:00:00:33'
    const before = await attach(two, network, 3, { mac })
    expect(await one.call('ping', a.spec.id, '10.91.0.3')).toBe(1)
    await two.call('detach', before.spec.id)
    // the first host has not heard of it yet
    const spec = endpointSpec(network, 3, { mac })
    await one.call('attach', spec)
    expect(await one.call('ping', a.spec.id, '10.91.0.3')).toBe(1)
    expect(await one.call('ping', a.spec.id, 'fd00:91::3')).toBe(1)
    await forget(network, before.told)
    expect(await one.call('ping', a.spec.id, '10.91.0.3')).toBe(1)
    expect(await one.call('repair', network)).toEqual([])
  })
})

describe('the MTU', () => {
  test('is that of the host with the least, and follows it, at both ends of each interface', async () => {
    const network = overlay()
    for (const host of [one, two]) await host.call('create', network)
    const a = await attach(one, network, 2)
    await attach(two, network, 3)
    const mtus = async () => [
      (await link(one, bridgeName(network.id))).mtu,
      (await link(one, vxlanName(network.id))).mtu,
      (await link(one, hostVethName(a.spec.id))).mtu,
      Number(/mtu (\d+)/.exec(await one.call('runIn', a.spec.id, 'ip link show eth0'))![1]),
    ]
    expect(await mtus()).toEqual([1450, 1450, 1450, 1450])
    two.place.ip('link set eth0 mtu 1400')
    for (const host of hosts) await host.call('tellNodes', [['h1', { ...two.node, mtu: 1400 }]])
    await until(async () => (await mtus()).every((mtu) => mtu === 1350))
    const long = await one.call('runIn', a.spec.id, 'busybox ping -c 1 -W 1 -s 1322 10.91.0.3')
    expect(long).toContain('1 packets received')
    two.place.ip('link set eth0 mtu 1500')
    for (const host of hosts) await host.call('tellNodes', [['h1', null]])
    await until(async () => (await mtus()).every((mtu) => mtu === 1450))
  })

  test('is the given one where one is given, and never below what IPv6 needs', async () => {
    const given = overlay({}, { 'com.docker.network.driver.mtu': '1300' })
    await one.call('create', given)
    expect((await link(one, vxlanName(given.id))).mtu).toBe(1300)
    await one.call('tellNodes', [['h0', { ...one.node, mtu: 1000 }]])
    const small = overlay()
    await one.call('create', small)
    expect((await link(one, vxlanName(small.id))).mtu).toBe(1280)
  })
})

describe('what somebody else changes', () => {
  test.each([
    ['the device is deleted', (vx: string) => `ip link del ${vx}`, /was gone/],
    ['the device is taken down', (vx: string) => `ip link set ${vx} down`, /was down/],
    [
      'the device is taken out of its bridge',
      (vx: string) => `ip link set ${vx} nomaster`,
      /had left bridge/,
    ],
    [
      'a forwarding entry is deleted',
      (vx: string) => `bridge fdb del 02:00:00:00:00:33 dev ${vx} self`,
      /1 entry .* gone/,
    ],
    [
      'an entry of the bridge is deleted',
      (vx: string) => `bridge fdb del 02:00:00:00:00:33 dev ${vx} master`,
      /1 entry .* gone/,
    ],
    [
      'a forwarding entry leads elsewhere',
      (vx: string) => `bridge fdb replace 02:00:00:00:00:33 dev ${vx} self dst 192.0.2.9`,
      /1 entry .* led elsewhere/,
    ],
    [
      'a neighbour is deleted',
      (_: string, br: string) => `ip neigh del 10.91.0.3 dev ${br}`,
      /1 entry .* gone/,
    ],
    [
      'a neighbour is another',
      (_: string, br: string) =>
        `ip neigh replace fd00:91::3 lladdr 02:00:00:00:00:09 dev ${br} nud permanent`,
      /1 entry .* led elsewhere/,
    ],
    ['the bridge is deleted', (_: string, br: string) => `ip link del ${br}`, /was gone/],
    [
      'all is to be flooded',
      (vx: string) => `bridge fdb append 00:00:00:00:00:00 dev ${vx} dst 192.0.2.2 self`,
      /1 entry belonged to no endpoint/,
    ],
  ])('is put right within two seconds when %s', async (_, command, said) => {
    const network = overlay()
    for (const host of [one, two]) await host.call('create', network)
    const a = await attach(one, network, 2)
    await attach(two, network, 3, { mac: '02:00:00:00:00:33' })
    expect(await one.call('ping', a.spec.id, '10.91.0.3')).toBe(1)
    await one.call('run', command(vxlanName(network.id), bridgeName(network.id)))
    await until(async () => (await one.call('repairs')).some((fault) => said.test(fault)))
    await until(async () => (await one.call('repair', network)).length === 0)
    expect(await one.call('ping', a.spec.id, '10.91.0.3')).toBe(1)
    expect(await one.call('ping', a.spec.id, 'fd00:91::3')).toBe(1)
  })
})

describe('many endpoints', () => {
  test('of other hosts are known within seconds, and go with the network', async () => {
    const pools = [
      { subnet: '10.91.0.0/16', range: '', gateway: '10.91.0.1', auxiliary: {} },
      networkRecord().pools[1]!,
    ]
    const network = overlay({ pools })
    await one.call('create', network)
    const { spent, faults } = await one.call('tellMany', network, 'h1', 20_000)
    expect(faults).toEqual([])
    // a bound on the work, not on the time: the machine may be busy
    expect(spent).toBeLessThan(30)
    expect(await one.call('repair', network)).toEqual([])
    const entry = `bridge fdb get 02:00:00:00:00:99 dev ${vxlanName(network.id)} self`
    const late = clusterEndpoint(network.id, 'h2', { mac: '02:00:00:00:00:99' })
    const { printed, faults: none } = await one.call('tellWhileCompared', network, late, entry)
    expect(printed).toContain(' dst 192.0.2.3 ')
    expect(none).toEqual([])
    await one.call('run', `bridge fdb del 02:00:00:00:00:33 dev ${vxlanName(network.id)} self`)
    expect(await one.call('repair', network)).toEqual(['1 entry for endpoints of other hosts was gone'])
    expect(await one.call('status', network)).toEqual({ mtu: 1450, repaired: 1 })
    await one.call('remove', network)
    expect(await one.call('run', 'ip neigh show nud permanent')).toBe('')
  }, 60_000)

  test('are known only of networks that the host uses', async () => {
    const [used, unused] = [overlay(), overlay()]
    await one.call('create', used)
    for (const [network, number] of [[used, 3] as const, [unused, 4] as const])
      await tell(
        network,
        clusterEndpoint(network.id, 'h1', { address4: `10.91.0.${number}/24`, mac: '02:00:00:00:00:03' }),
      )
    expect(await one.call('run', 'ip neigh show nud permanent')).toMatch(/^10\.91\.0\.3 \S.*\n$/)
    expect([await one.call('status', unused), await one.call('repair', unused)]).toEqual([null, []])
  })
})

describe('a host that starts again', () => {
  test('while the cluster is away keeps the entries that it has, and removes those of nobody when it is back', async () => {
    const network = overlay()
    for (const host of [one, two]) await host.call('create', network)
    const a = await attach(one, network, 2)
    const b = await attach(two, network, 3)
    expect(await one.call('ping', a.spec.id, '10.91.0.3')).toBe(1)
    await one.restart()
    await one.call('setState', 'away')
    await one.call('create', network)
    const known = () => one.call('run', 'ip neigh show nud permanent')
    expect(await known()).toContain('10.91.0.3 ')
    await one.call('tellNodes', [['h1', two.node]])
    await one.call('setState', 'connected')
    const other = clusterEndpoint(network.id, 'h1', { address4: '10.91.0.5/24', mac: b.told.mac })
    await one.call('tell', network.id, [[other.id, other]])
    await one.call('complete', network.id)
    await until(async () => !(await known()).includes('10.91.0.3 '))
    expect(await known()).toContain('10.91.0.5 ')
  })
})
