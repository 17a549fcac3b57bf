import { expect, test } from 'vitest'
import { formatMac, linkLocalOf, parseMac, parseUnicastMac, randomMac } from '../../../src/values/mac.ts'

test('colons, hyphens and upper case name the same address', () => {
  expect(formatMac(parseMac('02:42:AC:11:00:02'))).toBe('02:42:ac:11:00:02')
  expect(parseMac('02-42-ac-11-00-02')).toEqual(parseMac('02:42:ac:11:00:02'))
})

test.each([
  '',
  '02:42:ac:11:00',
  '02:42:ac:11:00:02:03',
  '2:42:ac:11:00:02',
  '02:42:ac:11:00:0g',
  '02:42-ac:11:00:02',
])('%j is refused', (text) => {
  expect(() => parseMac(text)).toThrow(/^invalid MAC address: /)
})

test.each([
  ['01:00:5e:00:00:01', 'is a multicast address, give one whose first byte is even, such as '],
  ['ff:ff:ff:ff:ff:ff', 'is a multicast address'],
  ['00:00:00:00:00:00', 'is no address, such as '],
  ['02:42', 'invalid MAC address: 02:42'],
])('an interface cannot have %s', (text, sentence) => {
  expect(() => parseUnicastMac(text)).toThrow(expect.objectContaining({ kind: 'invalid' }))
  expect(() => parseUnicastMac(text)).toThrow(sentence)
})

test('an interface can have any other address, also one that a vendor gave', () => {
  expect(formatMac(parseUnicastMac('00-1B-21-00-00-01'))).toBe('00:1b:21:00:00:01')
})

test('random addresses are unicast, locally administered and differ', () => {
  const macs = Array.from({ length: 200 }, randomMac)
  expect(macs.every((mac) => (parseMac(mac)[0]! & 3) === 2)).toBe(true)
  expect(new Set(macs).size).toBe(200)
})

test('a link-local address has the hardware address with its local bit turned, in two halves', () => {
  expect(linkLocalOf('02:00:00:00:00:01')).toBe('fe80::ff:fe00:1')
  expect(linkLocalOf('34:56:78:9a:bc:de')).toBe('fe80::3656:78ff:fe9a:bcde')
})
