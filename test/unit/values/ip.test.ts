import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  canonicalIp,
  formatIp,
  integerToIp,
  ipFamily,
  ipToInteger,
  isIp,
  parseIp,
} from '../../../src/values/ip.ts'

describe('text to bytes', () => {
  test('an IPv4 address is four bytes in network order', () => {
    expect([...parseIp('192.168.0.1')]).toEqual([192, 168, 0, 1])
  })

  test('a double colon stands for as many zero groups as are missing', () => {
    expect([...parseIp('2001:db8::1')]).toEqual([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    expect([...parseIp('::')]).toEqual(new Array(16).fill(0))
  })

  test('an IPv6 address may end in a dotted quad', () => {
    expect([...parseIp('64:ff9b::192.0.2.33')].slice(12)).toEqual([192, 0, 2, 33])
  })

  test.each(['', '1.2.3', '1.2.3.256', '01.2.3.4', '1.2.3.4/24', 'fe80::1%eth0', '1::2::3', 'web', ' ::1'])(
    '%j is refused',
    (text) => {
      expect(isIp(text)).toBe(false)
      expect(() => parseIp(text)).toThrow(/^invalid IP address: /)
    },
  )
})

describe('bytes to text', () => {
  // the examples of RFC 5952, section 4 and 5
  test.each([
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::AbCd', '2001:db8::abcd'],
    ['1:2:3:4:5:6:7:0', '1:2:3:4:5:6:7:0'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['::FFFF:1.2.3.4', '::ffff:1.2.3.4'],
    ['10.0.0.1', '10.0.0.1'],
  ])('%s is written %s', (given, canonical) => {
    expect(canonicalIp(given)).toBe(canonical)
  })

  test('any 16 bytes come back from their text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        expect([...parseIp(formatIp(bytes))]).toEqual([...bytes])
      }),
    )
  })

  test('the WHATWG URL parser writes every address outside the mapped block the same way', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        fc.pre(!canonicalIp(text).startsWith('::ffff:'))
        expect(`[${canonicalIp(text)}]`).toBe(new URL(`http://[${text}]/`).hostname)
      }),
    )
  })

  test('five bytes are no address', () => {
    expect(() => formatIp(new Uint8Array(5))).toThrow(/neither 4 nor 16 bytes/)
  })
})

describe('integers', () => {
  test('every address of both families comes back from its integer', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        expect(integerToIp(ipToInteger(text), ipFamily(text))).toBe(canonicalIp(text))
      }),
    )
  })

  test('255.255.255.255 is the largest IPv4 integer, not a negative one', () => {
    expect(ipToInteger('255.255.255.255')).toBe(0xffff_ffffn)
  })
})
