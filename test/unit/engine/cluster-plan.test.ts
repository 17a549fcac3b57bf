import { describe, expect, test } from 'vitest'
import { vniOption } from '../../../src/drivers/overlay/options.ts'
import { planNetwork } from '../../../src/engine/cluster-plan.ts'
import type { Parts } from '../../../src/engine/parts.ts'
import type { NetworkRecord, PoolRecord } from '../../../src/store/records.ts'
import { type NetworkId, newId } from '../../../src/values/id.ts'

const pool = (subnet: string): PoolRecord => ({ subnet, range: '', gateway: '', auxiliary: {} })

function networkOf(name: string, given: Partial<NetworkRecord> = {}): NetworkRecord {
  return {
    id: newId<NetworkId>(),
    createdAt: '',
    predefined: false,
    givenFamilies: [],
    configuration: null,
    name,
    driver: 'overlay',
    internal: false,
    attachable: false,
    ipv4: true,
    ipv6: false,
    ipamDriver: 'default',
    ipamOptions: {},
    pools: [],
    options: {},
    labels: {},
    dnsServers: [],
    configOnly: false,
    configFrom: '',
    ...given,
  }
}

/** A host with these networks and routes. */
function hostWith(local: readonly NetworkRecord[], routes: readonly string[] = []): Parts {
  return {
    store: { networks: new Map(local.map((network) => [network.id, network])) },
    usedRoutes: () => routes,
    addressPools: [{ base: '172.18.0.0/15', size: 24 }],
    networkDriver: () => ({ capabilities: { gateway: 'always' } }),
  } as unknown as Parts
}

describe('a network of the cluster', () => {
  test('gets a subnet and a number that no other has', () => {
    const made: NetworkRecord[] = []
    for (let count = 0; count < 20; count++)
      made.push(planNetwork(hostWith([]), networkOf(`n${count}`), made))
    const subnets = made.map(({ pools }) => pools[0]?.subnet)
    expect(subnets.slice(0, 2)).toEqual(['10.128.0.0/24', '10.128.1.0/24'])
    expect(new Set(subnets).size).toBe(20)
    expect(made.map(({ options }) => Number(options[vniOption]))).toEqual(
      made.map((_, index) => 4096 + index),
    )
  })

  test('gets no subnet that its host has a route or a network for', () => {
    const local = networkOf('lan', { driver: 'bridge', pools: [pool('10.128.1.0/24')] })
    const { pools } = planNetwork(hostWith([local], ['10.128.0.0/24']), networkOf('mesh'), [])
    expect(pools).toEqual([{ subnet: '10.128.2.0/24', range: '', gateway: '10.128.2.1', auxiliary: {} }])
  })

  test('gets an IPv6 subnet of its own', () => {
    const subnets = ['one', 'two'].map(
      (name) => planNetwork(hostWith([]), networkOf(name, { ipv6: true }), []).pools[1]?.subnet,
    )
    expect(subnets[0]).toMatch(/^fd[0-9a-f]{2}:.*\/64$/)
    expect(subnets[1]).not.toBe(subnets[0])
  })

  test('is refused a subnet over that of another, with both', () => {
    const present = planNetwork(hostWith([]), networkOf('mesh', { pools: [pool('10.5.0.0/16')] }), [])
    const wanted = networkOf('other', { pools: [pool('10.5.3.0/24')] })
    expect(() => planNetwork(hostWith([]), wanted, [present])).toThrow(
      'Pool overlaps with other one on this address space: 10.5.3.0/24 overlaps 10.5.0.0/16 of network mesh',
    )
  })

  test('has the number that was asked for, unless another has it', () => {
    const wanted = networkOf('mesh', { options: { [vniOption]: '77' } })
    const mesh = planNetwork(hostWith([]), wanted, [])
    expect(mesh.options[vniOption]).toBe('77')
    expect(() => planNetwork(hostWith([]), { ...wanted, name: 'other' }, [mesh])).toThrow(
      'VNI 77 is that of network mesh already',
    )
  })

  test('of several numbers has the first, as its driver does', () => {
    const mesh = planNetwork(hostWith([]), networkOf('mesh', { options: { [vniOption]: '77,78' } }), [])
    expect(mesh.options[vniOption]).toBe('77')
  })
})
