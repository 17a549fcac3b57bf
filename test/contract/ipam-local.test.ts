import { describe, expect, test } from 'vitest'
import { createLocalIpam, type LocalIpamOptions } from '../../src/ipam/local.ts'
import { defaultAddressPools, poolsOfHost } from '../../src/ipam/subnets.ts'
import { describeIpam, poolRequest } from './ipam.contract.ts'

function local(part: Partial<LocalIpamOptions> = {}) {
  return createLocalIpam({
    defaultPools: defaultAddressPools,
    installationId: 'test',
    usedRoutes: () => [],
    describeOwner: (id) => `owner ${id}`,
    ...part,
  })
}

describeIpam('built-in', () => local())

describe('default subnets', () => {
  test('a thousand networks fit beside a VPN that routes half the pools', async () => {
    const ipam = local({ usedRoutes: () => ['0.0.0.0/1', '128.0.0.0/1', '172.16.0.0/13', '192.168.1.1/32'] })
    const subnets = new Set<string>()
    for (let i = 0; i < 1000; i++) subnets.add((await ipam.requestPool(`net${i}`, poolRequest())).subnet)
    expect(subnets.size).toBe(1000)
    expect([...subnets].filter((subnet) => /^172\.(1[6-9]|2[0-3])\./.test(subnet))).toEqual([])
  })

  test('the host’s routes are looked up at each choice', async () => {
    const routes: string[] = []
    const ipam = local({ usedRoutes: () => routes })
    expect((await ipam.requestPool('one', poolRequest())).subnet).toBe('172.18.0.0/24')
    routes.push('172.18.0.0/16', '172.18.1.53/32')
    expect((await ipam.requestPool('two', poolRequest())).subnet).toBe('172.19.0.0/24')
  })

  test('when all are taken the error names the pools, what took them and the flag that helps', async () => {
    const ipam = local({
      defaultPools: [{ base: '10.9.0.0/23', size: 24 }],
      usedRoutes: () => ['10.9.1.0/26'],
    })
    await ipam.requestPool('one', poolRequest())
    await expect(ipam.requestPool('two', poolRequest())).rejects.toThrow(
      /^all predefined address pools have been fully subnetted: 10\.9\.0\.0\/23 holds 2 of \/24; 1 taken by networks \(10\.9\.0\.0\/24 by owner one\), 1 routes or resolvers .*\(10\.9\.1\.0\/26\).*--default-address-pool/,
    )
  })

  test('0.0.0.0/26 asks for any subnet of that size', async () => {
    expect((await local().requestPool('one', poolRequest({ subnet: '0.0.0.0/26' }))).subnet).toBe(
      '172.18.0.0/26',
    )
  })

  test('a size that no pool has room for is not said to be taken', async () => {
    await expect(local().requestPool('one', poolRequest({ subnet: '0.0.0.0/8' }))).rejects.toThrow(
      /^no predefined address pool is as large as a \/8: there are 172\.18\.0\.0\/15, .*10\.64\.0\.0\/12; give/,
    )
    const six = { family: 6, subnet: '::/32' } as const
    await expect(local().requestPool('one', poolRequest(six))).rejects.toThrow(/as a \/32: there are fd/)
  })

  test('a given IPv6 pool replaces the installation’s own', async () => {
    const ipam = local({ defaultPools: [...defaultAddressPools, { base: 'fd00:1::/56', size: 64 }] })
    expect((await ipam.requestPool('one', poolRequest({ family: 6 }))).subnet).toBe('fd00:1::/64')
  })

  test('pools of one family leave the other’s as they are', async () => {
    const ipam = local({ defaultPools: poolsOfHost([{ base: 'fd00:1::/56', size: 64 }]) })
    expect((await ipam.requestPool('one', poolRequest())).subnet).toBe('172.18.0.0/24')
    const other = local({ defaultPools: poolsOfHost([{ base: '10.9.0.0/16', size: 24 }]) })
    expect((await other.requestPool('one', poolRequest())).subnet).toBe('10.9.0.0/24')
    expect((await other.requestPool('one', poolRequest({ family: 6 }))).subnet).toMatch(/^fd.*\/64$/)
  })
})

test('a given subnet may be the host’s own, as macvlan needs', async () => {
  const ipam = local({ usedRoutes: () => ['192.168.1.0/24'] })
  expect((await ipam.requestPool('lan', poolRequest({ subnet: '192.168.1.0/24' }))).gateway).toBe(
    '192.168.1.1',
  )
})

test('an overlap names the other network in words', async () => {
  const ipam = local()
  await ipam.requestPool('one', poolRequest({ subnet: '10.9.0.0/16' }))
  await expect(ipam.requestPool('two', poolRequest({ subnet: '10.9.1.0/24' }))).rejects.toMatchObject({
    kind: 'forbidden',
    message: expect.stringContaining('10.9.1.0/24 overlaps 10.9.0.0/16 of owner one'),
  })
})

test('an overlap of a network with itself names no other', async () => {
  const ipam = local()
  await ipam.requestPool('one', poolRequest({ subnet: '10.9.0.0/16' }))
  await expect(ipam.requestPool('one', poolRequest({ subnet: '10.9.1.0/24' }))).rejects.toThrow(
    '10.9.1.0/24 overlaps 10.9.0.0/16 of the same network',
  )
})

test('the error of a subnet that is full in its range only names the range', async () => {
  const ipam = local()
  const pool = await ipam.requestPool('one', poolRequest({ subnet: '10.9.0.0/24', range: '10.9.0.9/32' }))
  await expect(ipam.lease(pool, 'late', {})).rejects.toThrow(
    'the range 10.9.0.9/32 is full, and 10.9.0.0/24 has 3 addresses leased or reserved (10.9.0.9 by owner one as its gateway)',
  )
})

test('a subnet of one address has none for a container beside the gateway, which is said', async () => {
  await expect(local().requestPool('one', poolRequest({ subnet: '10.9.0.1/32' }))).rejects.toThrow(
    'failed to allocate gateway (): No available addresses on this pool: the one address of 10.9.0.1/32 would be the gateway',
  )
})

test('a full subnet’s error names who holds it, and what helps', async () => {
  const ipam = local()
  const pool = await ipam.requestPool('one', poolRequest({ subnet: '10.9.0.0/29' }))
  for (const owner of ['a', 'b', 'c', 'd', 'e']) await ipam.lease(pool, owner, {})
  await expect(ipam.lease(pool, 'late', {})).rejects.toThrow(
    'no available addresses on this pool: 10.9.0.0/29 has 8 addresses leased or reserved (10.9.0.1 by owner one as its ' +
      'gateway, 10.9.0.2 by owner a, 10.9.0.3 by owner b, 10.9.0.4 by owner c, 10.9.0.5 by owner d and more); remove ' +
      'containers, or make a network with a larger --subnet or --ip-range',
  )
})
