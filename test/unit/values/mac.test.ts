import { expect, test } from 'vitest'
import { formatMac, parseMac, randomMac } from '../../../src/values/mac.ts'

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

test('random addresses are unicast, locally administered and differ', () => {
  const macs = Array.from({ length: 200 }, randomMac)
  expect(macs.every((mac) => (parseMac(mac)[0]! & 3) === 2)).toBe(true)
  expect(new Set(macs).size).toBe(200)
})
