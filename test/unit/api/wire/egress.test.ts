import { describe, expect, it } from 'vitest'
import { fromEgress, toEgress } from '../../../../src/api/wire/egress.ts'

describe('an egress policy', () => {
  it('is everything without a list, and nothing with an empty one', () => {
    expect(toEgress(null)).toBeNull()
    expect(toEgress([])).toEqual([])
  })

  it.each([
    ['192.0.2.7', '192.0.2.7/32', '', 0],
    ['10.1.2.3/8', '10.0.0.0/8', '', 0],
    ['10.0.0.0/8:5432', '10.0.0.0/8', 'tcp', 5432],
    ['192.0.2.53:53/udp', '192.0.2.53/32', 'udp', 53],
    ['2001:db8::1', '2001:db8::1/128', '', 0],
    ['2001:DB8::/32', '2001:db8::/32', '', 0],
    ['[2001:db8::1]', '2001:db8::1/128', '', 0],
    ['[2001:db8::/32]:443', '2001:db8::/32', 'tcp', 443],
    ['API.Example.com.:443', 'api.example.com', 'tcp', 443],
    ['*.example.com', '*.example.com', '', 0],
    ['db:5432/sctp', 'db', 'sctp', 5432],
  ])('reads %s', (text, to, protocol, port) => {
    const entries = toEgress([text])
    expect(entries).toEqual([{ to, protocol, port }])
    expect(toEgress(fromEgress(entries!))).toEqual(entries)
  })

  it('says what it means in one way, and once', () => {
    const entries = toEgress(['192.0.2.7:80/tcp', '192.0.2.7/32:80', '[2001:db8::1]:53/udp', 'a.test'])
    expect(fromEgress(entries!)).toEqual(['192.0.2.7:80', '[2001:db8::1]:53/udp', 'a.test'])
  })

  it.each([
    ...[
      '',
      '10.0.0.0/33',
      '10.0.0',
      '300.1.1.1',
      '2001:db8::1:443/tcp',
      '[192.0.2.1]:80',
      '[a.test]:80',
      'a.test:0',
    ],
    ...[
      'a.test:65536',
      'a.test:80/icmp',
      'a.test/udp',
      'a..test',
      '-a.test',
      'a b',
      'a.*.test',
      '*',
      'http://a.test',
    ],
  ])('refuses %j', (text) => {
    expect(() => toEgress(['10.0.0.0/8', text])).toThrow(
      expect.objectContaining({
        kind: 'invalid',
        message: expect.stringContaining(`egress entry "${text}" is not`),
      }),
    )
  })
})
