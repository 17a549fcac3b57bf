import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  checkAddressPool,
  chooseSubnet,
  defaultAddressPools,
  subnetCount,
  UsedBlocks,
  uniqueLocalPool,
} from '../../../src/ipam/subnets.ts'
import { overlaps, parseCidr } from '../../../src/values/cidr.ts'
import { integerToIp } from '../../../src/values/ip.ts'

const pools = [{ base: '10.1.0.0/16', size: 24 }]

describe('choosing', () => {
  test('the lowest free subnet is taken', () => {
    expect(
      chooseSubnet(4, pools, new UsedBlocks().blocksOf(['10.1.0.0/24', '10.1.1.0/25', '10.1.3.0/24']), null),
    ).toBe('10.1.2.0/24')
  })

  test('a chosen subnet overlaps nothing in use, and none is left when none is chosen', () => {
    const block = fc
      .tuple(fc.nat(0xffff), fc.integer({ min: 17, max: 32 }))
      .map(([n, prefix]) => `${integerToIp(BigInt(0x0a010000 + n), 4)}/${prefix}`)
    fc.assert(
      fc.property(fc.array(block, { maxLength: 40 }), fc.integer({ min: 17, max: 28 }), (routes, size) => {
        const used = new UsedBlocks().blocksOf(routes)
        const chosen = chooseSubnet(4, pools, used, size)
        const all = Array.from({ length: 2 ** (size - 16) }, (_, i) =>
          parseCidr(`${integerToIp(BigInt(0x0a010000 + i * 2 ** (32 - size)), 4)}/${size}`),
        )
        const free = all.find((candidate) => !used.some((one) => overlaps(one, candidate)))
        expect(chosen).toBe(free === undefined ? null : `${free.network}/${size}`)
      }),
    )
  })

  test('the next pool serves when the first is full', () => {
    const two = [
      { base: '10.1.0.0/24', size: 24 },
      { base: '10.2.0.0/16', size: 24 },
    ]
    expect(chooseSubnet(4, two, new UsedBlocks().blocksOf(['10.1.0.128/32']), null)).toBe('10.2.0.0/24')
  })

  test('a pool smaller than the wanted size is passed over', () => {
    expect(chooseSubnet(4, pools, [], 12)).toBeNull()
  })

  test('a default route, whole or in pieces, takes nothing away', () => {
    const routes = ['0.0.0.0/0', '0.0.0.0/1', '128.0.0.0/1', '::/0', '8000::/1']
    expect(chooseSubnet(4, defaultAddressPools, new UsedBlocks().blocksOf(routes), null)).toBe(
      '172.18.0.0/24',
    )
  })

  test('a route to 172.16.0.0/12 moves networks out of it', () => {
    expect(chooseSubnet(4, defaultAddressPools, new UsedBlocks().blocksOf(['172.16.0.0/12']), null)).toBe(
      '10.64.0.0/24',
    )
  })
})

describe('the default pools', () => {
  test('hold more than a thousand networks, and none that is the default bridge’s or a cloud’s', () => {
    const total = defaultAddressPools.reduce((sum, pool) => sum + subnetCount(pool), 0n)
    expect(total).toBe(7424n)
    for (const foreign of ['172.17.0.0/16', '172.31.0.0/16', '192.168.0.0/16']) {
      expect(defaultAddressPools.some((pool) => overlaps(parseCidr(pool.base), parseCidr(foreign)))).toBe(
        false,
      )
    }
  })

  test('do not overlap each other', () => {
    const blocks = defaultAddressPools.map((pool) => parseCidr(pool.base))
    expect(blocks.filter((a) => blocks.filter((b) => overlaps(a, b)).length !== 1)).toEqual([])
  })
})

test('an installation keeps its IPv6 block, and another gets another', () => {
  expect(uniqueLocalPool('one')).toEqual(uniqueLocalPool('one'))
  expect(uniqueLocalPool('one').base).not.toBe(uniqueLocalPool('two').base)
  expect(uniqueLocalPool('one').base).toMatch(/^fd[0-9a-f]{2}:[0-9a-f:]+::\/48$/)
})

test('a pool that is to be cut into larger pieces than itself is refused', () => {
  expect(() => checkAddressPool({ base: '10.0.0.0/16', size: 8 })).toThrow(
    /^invalid address pool: 10.0.0.0\/16/,
  )
  expect(() => checkAddressPool({ base: '10.0.0.0/16', size: 33 })).toThrow(/allowed are 16 to 32/)
})

test('a pool of addresses that no container can have is refused', () => {
  expect(() => checkAddressPool({ base: '127.0.0.0/16', size: 24 })).toThrow(
    'invalid address pool: 127.0.0.0/16: it has loopback addresses in it (127.0.0.0/8)',
  )
  expect(() => checkAddressPool({ base: 'ff00::/16', size: 64 })).toThrow(/multicast/)
})
