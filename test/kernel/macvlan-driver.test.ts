/** What the macvlan driver does beyond the contract. ipvlan, VLANs and dummies are in test/vm: many a kernel lacks them. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { NetworkDriver } from '../../src/drivers/driver.ts'
import { createMacvlanDrivers } from '../../src/drivers/macvlan/index.ts'
import type { NetworkRecord } from '../../src/store/records.ts'
import { hasLinkKind } from '../../src/sys/network-features.ts'
import { bornName, shimName } from '../../src/values/interface-name.ts'
import {
  canReach,
  context,
  endpointSpec,
  globalAddresses,
  type InterfaceView,
  ipJson,
  networkRecord,
  sandboxes,
} from '../contract/driver.contract.ts'
import { enterThrowAwayNetns, ip } from '../helpers/firewall-lab.ts'
import { hostReaches, layWire, type Wire } from '../helpers/wire.ts'

let places: ReturnType<typeof sandboxes>
let wire: Wire
let macvlan: NetworkDriver
let ipvlan: NetworkDriver

beforeAll(async () => {
  await enterThrowAwayNetns()
  wire = layWire()
})
afterAll(() => wire[Symbol.dispose]())

beforeEach(() => {
  places = sandboxes()
  ;[macvlan, ipvlan] = createMacvlanDrivers() as [NetworkDriver, NetworkDriver]
})
afterEach(async () => {
  places.closeAll()
  await macvlan.sweep?.(context, [], [])
})

function withOptions(options: Record<string, string>, part: Partial<NetworkRecord> = {}): NetworkRecord {
  return networkRecord({ driver: 'macvlan', options: { parent: wire.parent, ...options }, ...part })
}

const linkNames = (): string[] => ipJson<InterfaceView>('link').map(({ ifname }) => ifname)

/** Addresses 2 and 3 of the network, each in a sandbox of its own. */
async function attachTwo(network: NetworkRecord) {
  const [one, two] = [places.open(), places.open()]
  await macvlan.createNetwork(context, network)
  await macvlan.attach(context, endpointSpec(network, 2), one)
  await macvlan.attach(context, endpointSpec(network, 3), two)
  return { one, two }
}

describe('the mode', () => {
  test.each([
    ['bridge', true],
    ['private', false],
    // The far end would have to send frames back to where they came from.
    ['vepa', false],
  ])('%s is what the link has; a neighbour is reached: %s; the router always', async (mode, reached) => {
    const { one } = await attachTwo(withOptions({ macvlan_mode: mode }))
    expect(ipJson('-d link show eth0', one)).toMatchObject([{ linkinfo: { info_data: { mode } } }])
    expect([canReach(one, '10.91.0.1'), canReach(one, 'fd00:91::1')]).toEqual([true, true])
    expect([canReach(one, '10.91.0.3'), canReach(one, 'fd00:91::3')]).toEqual([reached, reached])
  })

  test('passthru gives the parent’s hardware address, and the parent that which is wished, for as long', async () => {
    using own = layWire('own1')
    const network = withOptions({ parent: own.parent, macvlan_mode: 'passthru' }, { name: 'whole' })
    await macvlan.createNetwork(context, network)
    const addressOf = (link: string, place?: ReturnType<typeof places.open>): string | undefined =>
      ipJson<InterfaceView & { address: string }>(`link show ${link}`, place)[0]?.address
    const before = addressOf(own.parent)
    for (const [wish, has] of [
      ['', before],
      ['02:00:00:00:91:02', '02:00:00:00:91:02'],
    ] as const) {
      const spec = { ...endpointSpec(network, 2), mac: wish }
      const place = places.open()
      expect((await macvlan.attach(context, spec, place)).mac).toBe(has)
      expect([addressOf('eth0', place), addressOf(own.parent)]).toEqual([has, has])
      expect(canReach(place, '10.91.0.1')).toBe(true)
      await macvlan.detach(context, spec, place)
      expect(addressOf(own.parent)).toBe(before)
    }
    await macvlan.removeNetwork(context, network)
  })

  test('passthru is one container’s, and of no network beside it', async () => {
    // On a parent of its own: the kernel takes its time to free the links of the tests before.
    using own = layWire('own0')
    const options = { parent: own.parent }
    const network = withOptions({ ...options, macvlan_mode: 'passthru' }, { name: 'whole' })
    await macvlan.createNetwork(context, network)
    const [one, two] = [places.open(), places.open()]
    await macvlan.attach(context, endpointSpec(network, 2), one)
    expect(canReach(one, '10.91.0.1')).toBe(true)
    await expect(macvlan.attach(context, endpointSpec(network, 3), two)).rejects.toMatchObject({
      kind: 'conflict',
      message:
        'failed to create the macvlan port: invalid argument: parent interface own0 is in mode passthru, in which it carries one link alone',
    })
    await macvlan.detach(context, endpointSpec(network, 2), one)
    await expect(macvlan.createNetwork(context, withOptions(options))).rejects.toMatchObject({
      kind: 'conflict',
      message: 'macvlan network whole is already using parent interface own0 in mode passthru',
    })
    await macvlan.removeNetwork(context, network)
    const shared = withOptions(options, { name: 'shared' })
    await macvlan.createNetwork(context, shared)
    await expect(macvlan.createNetwork(context, network)).rejects.toMatchObject({
      message: 'cannot use mode passthru, macvlan network shared is already using parent interface own0',
    })
  })
})

describe('the parent', () => {
  test.each([
    ['nope', 'invalid subinterface vlan name nope, example formatting is eth0.10'],
    ['nope.10', '-o parent interface was not found on the host: nope'],
    ['up0.ten', 'unable to parse a valid vlan id from: ten (ex. eth0.10 for vlan 10)'],
    ['up0.0', 'vlan id must be between 1-4094, received: 0'],
    ['up0.4095', 'vlan id must be between 1-4094, received: 4095'],
    [
      'up0.1.2',
      'required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received up0.1.2',
    ],
  ])('%s is refused: %s', async (parent, message) => {
    const links = linkNames()
    await expect(macvlan.createNetwork(context, withOptions({ parent }))).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining(message),
    })
    expect(linkNames()).toEqual(links)
  })

  test('cannot be a loopback under another name, nor a bridge’s port', async () => {
    ip('link set lo name loop')
    try {
      await expect(macvlan.createNetwork(context, withOptions({ parent: 'loop' }))).rejects.toMatchObject({
        kind: 'invalid',
        message: 'network contract: loopback interface is not a valid macvlan parent link',
      })
    } finally {
      ip('link set loop name lo')
    }
    ip('link add br-user type bridge')
    ip('link add p0 master br-user type veth peer name p1')
    try {
      await expect(macvlan.createNetwork(context, withOptions({ parent: 'p0' }))).rejects.toMatchObject({
        kind: 'conflict',
        message:
          'network contract: parent interface p0 is a port of bridge br-user: give br-user as parent, or another interface',
      })
    } finally {
      ip('link del p0')
      ip('link del br-user')
    }
  })

  test('may be shared by macvlan networks, whose containers reach each other, and by one of ipvlan', async () => {
    const [first, second] = [withOptions({}, { name: 'first' }), withOptions({}, { name: 'second' })]
    await macvlan.createNetwork(context, first)
    await macvlan.createNetwork(context, second)
    const [one, two] = [places.open(), places.open()]
    await macvlan.attach(context, endpointSpec(first, 2), one)
    await macvlan.attach(context, endpointSpec(second, 3), two)
    expect(canReach(one, '10.91.0.3')).toBe(true)
    const third = withOptions({}, { name: 'third', driver: 'ipvlan' })
    await ipvlan.createNetwork(context, third)
    await expect(ipvlan.createNetwork(context, withOptions({}, { name: 'fourth' }))).rejects.toMatchObject({
      kind: 'conflict',
      message: 'network third is already using parent interface up0',
    })
    await ipvlan.removeNetwork(context, third)
    await ipvlan.createNetwork(context, withOptions({}, { name: 'fourth' }))
  })

  test.each(['up0.10', ''])('%j is more than some kernels can make, and then says so', async (parent) => {
    const kind = parent === '' ? 'dummy' : 'vlan'
    const created = macvlan.createNetwork(context, withOptions({ parent }))
    if (hasLinkKind(kind)) await created
    else {
      await expect(created).rejects.toMatchObject({
        kind: 'unsupported',
        message: expect.stringContaining(`operation not supported: this kernel has no ${kind} links`),
      })
    }
  })

  test('that has gone meanwhile is said to be missing', async () => {
    ip('link add gone type veth peer name gone-far')
    const network = withOptions({ parent: 'gone' })
    await macvlan.createNetwork(context, network)
    ip('link del gone')
    await expect(macvlan.attach(context, endpointSpec(network, 2), places.open())).rejects.toThrow(
      /the requested parent interface gone was not found on the host/,
    )
    await macvlan.removeNetwork(context, network)
  })
})

describe('endpoints', () => {
  test('have the MTU that was given, which is not above the parent’s', async () => {
    const network = withOptions({ 'com.docker.network.driver.mtu': '1400' })
    await macvlan.createNetwork(context, network)
    const sandbox = places.open()
    await macvlan.attach(context, endpointSpec(network, 2), sandbox)
    expect(ipJson('link show eth0', sandbox)).toMatchObject([{ mtu: 1400 }])
    const large = withOptions({ 'com.docker.network.driver.mtu': '9000' })
    await expect(macvlan.createNetwork(context, large)).rejects.toMatchObject({
      kind: 'invalid',
      message: 'network contract: an MTU of 9000 is more than the 1500 of its parent interface up0',
    })
  })

  test('tell their neighbours at once who has a reused address now', async () => {
    const network = withOptions({})
    await macvlan.createNetwork(context, network)
    wire.router.ip('neigh replace 10.91.0.2 lladdr 02:00:00:00:00:99 dev wire nud stale')
    wire.router.ip('neigh replace fd00:91::2 lladdr 02:00:00:00:00:99 dev wire nud stale')
    const mac = '02:00:00:00:00:08'
    await macvlan.attach(context, endpointSpec(network, 2, { mac }), places.open())
    for (const address of ['10.91.0.2', 'fd00:91::2']) {
      // Of three announcements only the first comes before the next second.
      await expect
        .poll(() => wire.router.ip(`neigh show ${address}`), { timeout: 900 })
        .toContain(`lladdr ${mac} `)
    }
  })

  test('do not share a hardware address', async () => {
    const network = withOptions({})
    await macvlan.createNetwork(context, network)
    const mac = '02:00:00:00:00:07'
    await macvlan.attach(context, endpointSpec(network, 2, { mac }), places.open())
    const sandbox = places.open()
    await expect(macvlan.attach(context, endpointSpec(network, 3, { mac }), sandbox)).rejects.toMatchObject({
      kind: 'conflict',
      message: `hardware address ${mac} is in use on parent interface up0: give another one`,
    })
    expect(ipJson('link', sandbox)).toHaveLength(1)
  })

  test('whose creation was cut short are replaced by the next attach, and removed by detach', async () => {
    const network = withOptions({})
    await macvlan.createNetwork(context, network)
    const endpoint = endpointSpec(network, 2)
    const sandbox = places.open()
    const leave = () => ip(`link add ${bornName(endpoint.id)} link up0 netns ${sandbox.path} type macvlan`)
    leave()
    await macvlan.attach(context, endpoint, sandbox)
    expect(ipJson('link', sandbox)).toHaveLength(2)
    await macvlan.detach(context, endpoint, sandbox)
    leave()
    await macvlan.detach(context, endpoint, sandbox)
    expect(ipJson('link', sandbox)).toHaveLength(1)
  })
})

describe('host access', () => {
  const options = { 'host-access': 'true' }
  const pool = (subnet: string, address: string) => ({
    subnet,
    range: '',
    gateway: '',
    auxiliary: { 'host-access': address },
  })
  const pools = [pool('10.91.0.0/24', '10.91.0.9'), pool('fd00:91::/64', 'fd00:91::9')]
  const routes = () =>
    [...ipJson<{ dst: string; dev: string }>('route'), ...ipJson<{ dst: string; dev: string }>('-6 route')]
      .filter(({ dev, dst }) => dev.startsWith('msh-') && /\.[23]$|:[23]$/.test(dst))
      .map(({ dst }) => dst)

  test('lets host and containers reach each other, and leaves nothing behind', async () => {
    ip('addr add 10.91.0.77/24 dev up0')
    try {
      const before = linkNames()
      const network = withOptions(options, { pools })
      const { one } = await attachTwo(network)
      expect(routes()).toEqual(['10.91.0.2', '10.91.0.3', 'fd00:91::2', 'fd00:91::3'])
      const reached = ['10.91.0.2', '10.91.0.3', 'fd00:91::2', 'fd00:91::3'].map(hostReaches)
      expect(reached).toEqual([true, true, true, true])
      // 77 is the host's own address on the parent.
      const host = ['10.91.0.9', 'fd00:91::9', '10.91.0.77'].map((address) => canReach(one, address))
      expect(host).toEqual([true, true, true])
      await macvlan.detach(context, endpointSpec(network, 2), one)
      expect(routes()).toEqual(['10.91.0.3', 'fd00:91::3'])
      await macvlan.removeNetwork(context, network)
      expect(routes()).toEqual([])
      expect(linkNames()).toEqual(before)
    } finally {
      ip('addr del 10.91.0.77/24 dev up0')
    }
  })

  test('is not there without being asked for: the kernel keeps a parent and its links apart', async () => {
    ip('addr add 10.91.0.77/24 dev up0')
    try {
      const { one } = await attachTwo(withOptions({}))
      expect([hostReaches('10.91.0.2'), canReach(one, '10.91.0.77')]).toEqual([false, false])
    } finally {
      ip('addr del 10.91.0.77/24 dev up0')
    }
  })

  test('leaves it to the parent to answer for the host’s addresses on the wire', async () => {
    ip('addr add 10.91.0.77/24 dev up0')
    try {
      await macvlan.createNetwork(context, withOptions(options, { pools }))
      wire.router.ip('neigh flush all')
      expect(wire.reaches('10.91.0.77')).toBe(true)
      const [parent] = ipJson<InterfaceView>('link show up0')
      expect(wire.router.ip('neigh show 10.91.0.77')).toContain(`lladdr ${parent!.address} `)
    } finally {
      ip('addr del 10.91.0.77/24 dev up0')
    }
  })

  test('comes from the pool that a container’s address is of', async () => {
    const network = withOptions(options, {
      pools: [pool('10.91.0.0/24', '10.91.0.9'), pool('10.92.0.0/24', '10.92.0.9')],
    })
    await macvlan.createNetwork(context, network)
    const sandbox = places.open()
    const endpoint = { address4: '10.92.0.2/24', address6: '', gateway4: '', gateway6: '' }
    await macvlan.attach(context, endpointSpec(network, 2, endpoint), sandbox)
    expect(ip('route get 10.92.0.2')).toContain('src 10.92.0.9')
    expect([hostReaches('10.92.0.2'), canReach(sandbox, '10.92.0.9')]).toEqual([true, true])
  })

  test('is completed by a sweep: routes that are missing come back, those to nobody go', async () => {
    const network = withOptions(options, { pools })
    const { one } = await attachTwo(network)
    ip('route del 10.91.0.2')
    ip('-6 route del fd00:91::2')
    await macvlan.sweep?.(context, [network], [endpointSpec(network, 2)])
    expect(routes()).toEqual(['10.91.0.2', 'fd00:91::2'])
    expect([hostReaches('10.91.0.2'), canReach(one, 'fd00:91::9')]).toEqual([true, true])
  })

  test('comes back with the next container when somebody has deleted the link', async () => {
    const network = withOptions(options, { pools })
    await macvlan.createNetwork(context, network)
    ip(`link del ${shimName('macvlan', network.id)}`)
    await macvlan.attach(context, endpointSpec(network, 2), places.open())
    expect(hostReaches('10.91.0.2')).toBe(true)
  })

  test('has a link of the host’s with the network’s addresses alone, which takes no router’s advice', async () => {
    const network = withOptions(options, { pools })
    const name = shimName('macvlan', network.id)
    ip(`link add ${bornName(network.id)} type bridge`)
    await macvlan.createNetwork(context, network)
    const [view] = ipJson<InterfaceView>(`addr show ${name}`)
    expect(globalAddresses(view!)).toEqual(['10.91.0.9/32', 'fd00:91::9/128'])
    expect(ipJson(`link show ${name}`)).toMatchObject([{ ifalias: `tsnet:${network.id}`, link: 'up0' }])
    expect(linkNames()).not.toContain(bornName(network.id))
  })

  test('cannot be had in other modes, nor without an address', async () => {
    for (const mode of ['private', 'vepa', 'passthru']) {
      expect(() => macvlan.parseOptions(withOptions({ ...options, macvlan_mode: mode }))).toThrow(
        `network contract: host-access needs macvlan mode bridge: with ${mode} nothing on the parent reaches another`,
      )
    }
    await expect(macvlan.createNetwork(context, withOptions(options, { pools: [] }))).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('host-access needs an address for the host'),
    })
  })
})
