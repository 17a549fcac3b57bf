import { describe, expect, test } from 'vitest'
import { decodeAddress, encodeAddress } from '../../../src/netlink/address.ts'
import { eventsOf } from '../../../src/netlink/events.ts'
import { remoteForwarding } from '../../../src/netlink/forwarding.ts'
import { encodeLink } from '../../../src/netlink/link.ts'
import { decodeNeighbour, encodeNeighbour } from '../../../src/netlink/neighbour.ts'
import { decodeRoute, encodeRoute } from '../../../src/netlink/route.ts'
import { bytes } from '../../helpers/bytes.ts'

const message = (type: number, body: Buffer) => ({ type, flags: 0, sequence: 0, sender: 0, body })

describe('addresses', () => {
  test('IPv4 has its broadcast address, as ip-address(8) sets with “brd +”', () => {
    expect(encodeAddress(7, '10.1.0.2/24')).toEqual(
      bytes(
        '02 18 00 00  07 00 00 00', // AF_INET /24, universe, index 7
        '08 00 02 00  0a 01 00 02', // IFA_LOCAL
        '08 00 01 00  0a 01 00 02', // IFA_ADDRESS
        '08 00 04 00  0a 01 00 ff', // IFA_BROADCAST
      ),
    )
  })

  test('a /31 has no broadcast address', () => {
    expect(encodeAddress(7, '10.1.0.2/31')).toHaveLength(24)
  })

  test('IPv6 is usable at once, without duplicate address detection', () => {
    expect(encodeAddress(7, 'fd00::2/64').subarray(-8)).toEqual(bytes('08 00 08 00  02 00 00 00'))
  })

  test('what was encoded is read back', () => {
    expect(decodeAddress(encodeAddress(7, '10.1.0.2/24'))).toEqual({
      index: 7,
      family: 4,
      cidr: '10.1.0.2/24',
      flags: 0,
      scope: 0,
    })
    expect(decodeAddress(encodeAddress(7, 'fd00::2/64'))).toMatchObject({
      family: 6,
      cidr: 'fd00::2/64',
      flags: 2,
    })
  })
})

describe('routes', () => {
  test('a default route has a gateway and no destination', () => {
    expect(encodeRoute({ destination: '0.0.0.0/0', gateway: '10.1.0.1', index: 7 })).toEqual(
      bytes(
        '02 00 00 00  fe 03 00 01  00 00 00 00', // AF_INET /0, main table, boot, universe, unicast
        '08 00 05 00  0a 01 00 01', // RTA_GATEWAY
        '08 00 04 00  07 00 00 00', // RTA_OIF
      ),
    )
  })

  test('without a gateway the destination is on the link', () => {
    const body = encodeRoute({ destination: '10.2.0.0/16', gateway: '', index: 7 })
    expect(body.subarray(0, 12)).toEqual(bytes('02 10 00 00  fe 03 fd 01  00 00 00 00'))
  })

  test('the address that packets come from goes last', () => {
    const route = { destination: '10.1.0.2/32', gateway: '', index: 7, source: '10.1.0.9' }
    expect(encodeRoute(route).subarray(-8)).toEqual(bytes('08 00 07 00  0a 01 00 09')) // RTA_PREFSRC
  })

  test('what was encoded is read back', () => {
    for (const route of [
      { destination: '0.0.0.0/0', gateway: '10.1.0.1', index: 7 },
      { destination: '::/0', gateway: 'fd00::1', index: 7 },
      { destination: 'fd01::/64', gateway: '', index: 8 },
    ]) {
      expect(decodeRoute(encodeRoute(route))).toMatchObject({ ...route, table: 254, metric: 0 })
    }
  })
})

describe('neighbours', () => {
  test('an entry is permanent and read back', () => {
    const body = encodeNeighbour(7, '10.1.0.2', '02:00:00:00:00:05')
    expect(body).toEqual(
      bytes(
        '02 00 00 00  07 00 00 00  80 00 00 00', // AF_INET, index 7, NUD_PERMANENT
        '08 00 01 00  0a 01 00 02', // NDA_DST
        '0a 00 02 00  02 00 00 00 00 05 00 00', // NDA_LLADDR
      ),
    )
    expect(decodeNeighbour(body)).toEqual({
      index: 7,
      address: '10.1.0.2',
      mac: '02:00:00:00:00:05',
      state: 0x80,
    })
  })
})

describe('events', () => {
  test('links, addresses and routes come and go under their own names', () => {
    const link = encodeLink(7, { name: 'br-x' })
    const address = encodeAddress(7, '10.1.0.2/24')
    const route = encodeRoute({ destination: '10.2.0.0/16', gateway: '10.1.0.1', index: 7 })
    const types = [
      ...[message(16, link), message(17, link), message(20, address), message(21, address)],
      ...[message(24, route), message(25, route)],
    ]
    expect(types.flatMap(eventsOf).map(({ type }) => type)).toEqual([
      'link',
      'link-removed',
      'address',
      'address-removed',
      'route',
      'route-removed',
    ])
  })

  test('neighbours and forwarding entries share messages, and are told apart by their family', () => {
    const neighbour = encodeNeighbour(7, '10.1.0.2', '02:00:00:00:00:05')
    const { body } = remoteForwarding(7, '02:00:00:00:00:05', '192.0.2.1')
    const events = [neighbour, body].flatMap((one) => [
      ...eventsOf(message(28, one)),
      ...eventsOf(message(29, one)),
    ])
    expect(events.map(({ type }) => type)).toEqual([
      'neighbour',
      'neighbour-removed',
      'forwarding',
      'forwarding-removed',
    ])
    expect(events[2]).toMatchObject({ forwarding: { port: 7, via: '192.0.2.1', fixed: true } })
  })

  test('a host behind a link-local address is one of a link', () => {
    const { body } = remoteForwarding(7, '02:00:00:00:00:05', 'fe80::1', 9)
    expect(body.subarray(-8)).toEqual(bytes('08 00 08 00  09 00 00 00')) // NDA_IFINDEX
  })

  test('a port that leaves its bridge is not taken for a link that is gone', () => {
    const port = encodeLink(7, { name: 'veth0' })
    port[0] = 7 // AF_BRIDGE
    expect(eventsOf(message(17, port))).toEqual([])
  })

  test('other messages are none', () => {
    expect(eventsOf(message(36, Buffer.alloc(0)))).toEqual([])
  })
})
