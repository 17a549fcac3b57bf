/** The contract of drivers, and all modes, on a kernel that has ipvlan: runs in the guest of test/vm/run. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { NetworkDriver } from '../../src/drivers/driver.ts'
import { createMacvlanDrivers } from '../../src/drivers/macvlan/index.ts'
import type { NetworkRecord } from '../../src/store/records.ts'
import {
  canReach,
  context,
  describeDriver,
  endpointSpec,
  type InterfaceView,
  ipJson,
  networkRecord,
  sandboxes,
} from '../contract/driver.contract.ts'
import { enterThrowAwayNetns, ip } from '../helpers/firewall-lab.ts'
import { hostReaches, layWire, type Wire } from '../helpers/wire.ts'

const [pool4, pool6] = networkRecord().pools
const pools = [
  { ...pool4!, auxiliary: { 'host-access': '10.91.0.250' } },
  { ...pool6!, auxiliary: { 'host-access': 'fd00:91::250' } },
]

describeDriver('ipvlan', () => createMacvlanDrivers()[1]!, {
  network: { options: { parent: 'up0', 'host-access': 'true' }, pools },
  // One network of ipvlan has a parent for itself; this one gets a dummy.
  other: { options: { 'host-access': 'true' } },
  ownMacs: false,
  prepare: () => {
    const wire = layWire()
    return () => wire[Symbol.dispose]()
  },
})

describe('networks of either kind', () => {
  let places: ReturnType<typeof sandboxes>
  let wire: Wire
  let drivers: { macvlan: NetworkDriver; ipvlan: NetworkDriver }

  beforeAll(async () => {
    await enterThrowAwayNetns()
    wire = layWire()
  })
  beforeEach(() => {
    places = sandboxes()
    const [macvlan, ipvlan] = createMacvlanDrivers() as [NetworkDriver, NetworkDriver]
    drivers = { macvlan, ipvlan }
  })
  afterEach(async () => {
    await places.empty()
    places.closeAll()
    await drivers.macvlan.sweep?.(context, [], [])
    await drivers.ipvlan.sweep?.(context, [], [])
  })
  afterAll(() => {
    wire[Symbol.dispose]()
    expect(ipJson('link')).toHaveLength(1)
  })

  function network(
    kind: 'macvlan' | 'ipvlan',
    options: Record<string, string>,
    part: Partial<NetworkRecord> = {},
  ): NetworkRecord {
    return networkRecord({ driver: kind, options: { parent: 'up0', ...options }, pools, ...part })
  }

  /** Addresses 2 and 3 of the network, in sandboxes of their own, led out as the driver says. */
  async function attachTwo(kind: 'macvlan' | 'ipvlan', record: NetworkRecord) {
    const driver = drivers[kind]
    await driver.createNetwork(context, record)
    const [gateway4, gateway6] = record.pools.map((pool) => driver.gatewayFor(record, pool)) as [
      string,
      string,
    ]
    const [one, two] = [places.open(), places.open()]
    await driver.attach(context, endpointSpec(record, 2, { gateway4, gateway6 }), one)
    await driver.attach(context, endpointSpec(record, 3, { gateway4, gateway6 }), two)
    return { one, two }
  }

  const modeOf = (sandbox: ReturnType<typeof places.open>) =>
    ipJson<{ linkinfo: { info_data: Record<string, unknown> } }>('-d link show eth0', sandbox)[0]!.linkinfo
      .info_data

  test.each(['l2', 'l3', 'l3s'])(
    'of ipvlan’s mode %s lead host and containers to each other',
    async (mode) => {
      const options = { ipvlan_mode: mode, 'host-access': 'true' }
      const { one } = await attachTwo('ipvlan', network('ipvlan', options))
      expect(modeOf(one)).toMatchObject({ mode })
      const inside = ['10.91.0.3', 'fd00:91::3', '10.91.0.250', 'fd00:91::250']
      expect(inside.map((address) => canReach(one, address))).toEqual([true, true, true, true])
      const outside = ['10.91.0.2', 'fd00:91::2', '10.91.0.3', 'fd00:91::3']
      expect(outside.map(hostReaches)).toEqual([true, true, true, true])
      const [route] = ipJson<{ gateway?: string; dev: string }>('route show default', one)
      expect(route).toMatchObject({ dev: 'eth0', ...(mode === 'l2' ? { gateway: '10.91.0.1' } : {}) })
      expect(route?.gateway === undefined).toBe(mode !== 'l2')
    },
  )

  test.each([
    ['bridge', true],
    ['private', false],
    ['vepa', false],
  ])('of ipvlan’s flag %s let containers reach each other: %s', async (flag, reached) => {
    const { one } = await attachTwo('ipvlan', network('ipvlan', { ipvlan_flag: flag }))
    expect(modeOf(one)).toEqual({ mode: 'l2', [flag]: true })
    expect([canReach(one, '10.91.0.1'), canReach(one, '10.91.0.3')]).toEqual([true, reached])
  })

  test('keep to one kind on a parent, as the kernel wants it', async () => {
    await attachTwo('ipvlan', network('ipvlan', {}))
    const second = network('macvlan', {})
    await drivers.macvlan.createNetwork(context, second)
    const attached = drivers.macvlan.attach(context, endpointSpec(second, 4), places.open())
    await expect(attached).rejects.toMatchObject({
      kind: 'conflict',
      message: expect.stringContaining('device or resource busy: parent interface up0 has ipvlan links now'),
    })
  })

  test('of ipvlan keep an address for one link of their parent', async () => {
    const record = network('ipvlan', {})
    await attachTwo('ipvlan', record)
    const sandbox = places.open()
    await expect(drivers.ipvlan.attach(context, endpointSpec(record, 3), sandbox)).rejects.toMatchObject({
      kind: 'conflict',
      message:
        'address 10.91.0.3/24 or fd00:91::3/64 is in use by another link on parent interface up0: give another one',
    })
    expect(ipJson('link', sandbox)).toHaveLength(1)
  })

  test.each(['macvlan', 'ipvlan'] as const)('without a parent (%s) stand on a dummy', async (kind) => {
    const record = network(kind, { parent: '', 'com.docker.network.driver.mtu': '9000' })
    const { one } = await attachTwo(kind, record)
    const [parent] = ipJson<InterfaceView>(`link show d${kind[0]}-${record.id.slice(0, 12)}`)
    expect(parent).toMatchObject({ mtu: 9000, ifalias: `tsnet:${record.id}` })
    expect(ipJson('route show default', one)).toEqual([])
    expect([canReach(one, '10.91.0.3'), canReach(one, 'fd00:91::3')]).toEqual([true, true])
    await drivers[kind].removeNetwork(context, record)
    expect(ipJson('link show type dummy')).toEqual([])
  })

  test('tell apart what is whose in a sweep', async () => {
    const [first, second] = [network('macvlan', { parent: '' }), network('ipvlan', { parent: '' })]
    await drivers.macvlan.createNetwork(context, first)
    await drivers.ipvlan.createNetwork(context, second)
    await drivers.macvlan.createNetwork(context, network('macvlan', { parent: 'up0.20' }))
    await drivers.macvlan.sweep?.(context, [first], [])
    await drivers.ipvlan.sweep?.(context, [second], [])
    expect(ipJson('link show type dummy')).toHaveLength(2)
    expect(ipJson('link show type vlan')).toEqual([])
    ip('link add up0.30 link up0 type vlan id 30')
    await drivers.macvlan.sweep?.(context, [first], [])
    expect(ipJson('link show type vlan')).toHaveLength(1)
    ip('link del up0.30')
  })
})
