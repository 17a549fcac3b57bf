import { expect, test } from 'vitest'
import { announcementOf } from '../../../src/values/announcement.ts'

const mac = '02:00:00:00:00:05'

test('an IPv4 address is announced by an ARP request for itself, to everybody', () => {
  const { protocol, frame } = announcementOf('10.1.0.2/24', mac)
  expect(protocol).toBe(0x0806)
  expect(frame.toString('hex')).toBe(
    [
      'ffffffffffff',
      '020000000005',
      '0806',
      '0001080006040001',
      '020000000005',
      '0a010002',
      '000000000000',
      '0a010002',
    ].join(''),
  )
})

test('an IPv6 address is announced by an unsolicited advertisement that overrides, to all nodes', () => {
  const { protocol, frame } = announcementOf('fd00::2/64', mac)
  const own = 'fd000000000000000000000000000002'
  const all = 'ff020000000000000000000000000001'
  expect(protocol).toBe(0x86dd)
  const text = frame.toString('hex')
  expect(text.slice(0, 108)).toBe(`333300000001${'020000000005'}86dd${'600000000020'}3aff${own}${all}`)
  expect(text.slice(108)).toBe(`8800${text.slice(112, 116)}20000000${own}0201020000000005`)
})

test('an advertisement’s checksum makes the sum over it and its pseudo-header all ones', () => {
  for (const address of ['fd00::2/64', 'fe80::ffff:ffff/64', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/64']) {
    const { frame } = announcementOf(address, 'fe:ff:ff:ff:ff:ff')
    const message = frame.subarray(54)
    const summed = Buffer.concat([frame.subarray(22, 54), Buffer.from([0, 0, 0, 32, 0, 0, 0, 58]), message])
    let sum = 0
    for (let at = 0; at < summed.length; at += 2) sum += summed.readUInt16BE(at)
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
    expect(sum).toBe(0xffff)
  }
})
