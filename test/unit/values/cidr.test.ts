import fc from 'fast-check'
import IPCIDR from 'ip-cidr'
import { describe, expect, test } from 'vitest'
import {
  broadcastAddress,
  containsCidr,
  containsIp,
  formatCidr,
  hasHostBits,
  isCidr,
  netmask,
  overlaps,
  parseCidr,
} from '../../../src/values/cidr.ts'
import { integerToIp } from '../../../src/values/ip.ts'

const cidr4 = fc
  .tuple(fc.nat(0xffff_ffff), fc.integer({ min: 0, max: 32 }))
  .map(([n, p]) => `${integerToIp(BigInt(n), 4)}/${p}`)
/** Blocks close to each other, so that they often overlap. */
const near = fc
  .tuple(fc.nat(0xffff), fc.integer({ min: 14, max: 32 }))
  .map(([n, p]) => parseCidr(`${integerToIp(BigInt(0x0a010000 + n), 4)}/${p}`))

describe('parsing', () => {
  test('host bits are kept in the address and cleared in the block', () => {
    const cidr = parseCidr('10.1.0.7/24')
    expect(cidr).toMatchObject({ family: 4, address: '10.1.0.7', network: '10.1.0.0', prefix: 24 })
    expect(hasHostBits(cidr)).toBe(true)
    expect(formatCidr(cidr)).toBe('10.1.0.0/24')
  })

  test('an IPv6 block is written in its canonical form', () => {
    expect(formatCidr(parseCidr('FD00:0:0:1::5/64'))).toBe('fd00:0:0:1::/64')
  })

  test('first and last address agree with the ip-cidr library for every IPv4 block', () => {
    fc.assert(
      fc.property(cidr4, (text) => {
        const [first, last] = new IPCIDR(text).toRange<bigint>({ type: 'bigInteger' })
        expect(parseCidr(text)).toMatchObject({ first, last })
      }),
    )
  })

  test.each([
    '',
    '/',
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '::/129',
    '10/8',
    'a/8',
    '1.2.3.4/8/8',
  ])('%j is refused', (text) => {
    expect(isCidr(text)).toBe(false)
    expect(() => parseCidr(text)).toThrow(/^invalid CIDR address: /)
  })
})

describe('relations', () => {
  test('two blocks overlap exactly when one contains the other', () => {
    fc.assert(
      fc.property(near, near, (a, b) => {
        expect(overlaps(a, b)).toBe(containsCidr(a, b) || containsCidr(b, a))
        expect(overlaps(a, b)).toBe(overlaps(b, a))
      }),
    )
  })

  test('a block contains its edges and not its neighbours', () => {
    const cidr = parseCidr('10.1.2.0/23')
    expect(['10.1.2.0', '10.1.3.255'].map((ip) => containsIp(cidr, ip))).toEqual([true, true])
    expect(['10.1.1.255', '10.1.4.0'].map((ip) => containsIp(cidr, ip))).toEqual([false, false])
  })

  test('families never overlap, not even where their integers do', () => {
    expect(overlaps(parseCidr('0.0.0.0/0'), parseCidr('::/0'))).toBe(false)
    expect(containsIp(parseCidr('::/0'), '1.2.3.4')).toBe(false)
  })
})

test('only IPv4 blocks with room for it have a broadcast address', () => {
  expect(broadcastAddress(parseCidr('10.1.0.0/16'))).toBe('10.1.255.255')
  expect(broadcastAddress(parseCidr('10.1.0.0/31'))).toBeNull()
  expect(broadcastAddress(parseCidr('fd00::/64'))).toBeNull()
})

test('netmasks of 0, 20 and 32 bits are right', () => {
  expect([0, 20, 32].map(netmask)).toEqual(['0.0.0.0', '255.255.240.0', '255.255.255.255'])
})
