import { describe, expect, test } from 'vitest'
import { genericRequest } from '../../../src/netlink/generic.ts'
import { describeRequest } from '../../../src/netlink/message.ts'
import { decodeWireguard, encodeWireguard } from '../../../src/netlink/wireguard.ts'
import { bytes } from '../../helpers/bytes.ts'

const key = (byte: number): string => Buffer.alloc(32, byte).toString('base64')
const hex = (byte: number): string => byte.toString(16).padStart(2, '0').repeat(32)
const endpoint = { address: '192.0.2.1', port: 14789 }

describe('a change of a device', () => {
  test('a key, a port, and peers that take the place of all others', () => {
    const allowed = ['fe80::1/128']
    const peers = [{ publicKey: key(2), endpoint, allowed }]
    const [request] = encodeWireguard(7, { privateKey: key(1), port: 14789, replacesPeers: true, peers })
    expect(Buffer.concat(request!)).toEqual(
      bytes(
        '08 00 01 00  07 00 00 00', // WGDEVICE_A_IFINDEX
        `24 00 03 00  ${hex(1)}`, // WGDEVICE_A_PRIVATE_KEY
        '06 00 06 00  c5 39 00 00', // WGDEVICE_A_LISTEN_PORT
        '08 00 05 00  01 00 00 00', // WGDEVICE_A_FLAGS, WGDEVICE_F_REPLACE_PEERS
        '74 00 08 80', // WGDEVICE_A_PEERS
        '70 00 00 80', // the first
        `24 00 01 00  ${hex(2)}`, // WGPEER_A_PUBLIC_KEY
        '08 00 03 00  02 00 00 00', // WGPEER_A_FLAGS, WGPEER_F_REPLACE_ALLOWEDIPS
        '14 00 04 00  02 00 39 c5 c0 00 02 01 00 00 00 00 00 00 00 00', // WGPEER_A_ENDPOINT, sockaddr_in
        '2c 00 09 80  28 00 00 80', // WGPEER_A_ALLOWEDIPS, the first
        '06 00 01 00  0a 00 00 00', // WGALLOWEDIP_A_FAMILY, AF_INET6
        '14 00 02 00  fe 80 00 00 00 00 00 00 00 00 00 00 00 00 00 01', // WGALLOWEDIP_A_IPADDR
        '05 00 03 00  80 00 00 00', // WGALLOWEDIP_A_CIDR_MASK
      ),
    )
  })

  test('a peer goes; another one is greeted if it is there', () => {
    const gone = { publicKey: key(2), isGone: true } as const
    const greeted = { publicKey: key(3), mustExist: true, keepalive: 1 } as const
    const [request] = encodeWireguard(7, { peers: [gone, greeted] })
    expect(Buffer.concat(request!)).toEqual(
      bytes(
        '08 00 01 00  07 00 00 00',
        '6c 00 08 80',
        `30 00 00 80  24 00 01 00  ${hex(2)}  08 00 03 00  01 00 00 00`, // WGPEER_F_REMOVE_ME
        `38 00 00 80  24 00 01 00  ${hex(3)}  08 00 03 00  04 00 00 00`, // WGPEER_F_UPDATE_ONLY
        '06 00 05 00  01 00 00 00', // WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL
      ),
    )
  })

  test('an endpoint of IPv6, and a peer that is to have no addresses', () => {
    const peers = [{ publicKey: key(2), endpoint: { address: '2001:db8::1', port: 1 }, allowed: [] }]
    const [request] = encodeWireguard(7, { peers })
    expect(Buffer.concat(request!).subarray(-32)).toEqual(
      // WGPEER_A_ENDPOINT, sockaddr_in6
      bytes(
        '20 00 04 00  0a 00 00 01  00 00 00 00',
        '20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01',
        '00 00 00 00',
      ),
    )
  })

  test('of many peers each request has so many that their list’s length has room in 16 bits', () => {
    const peers = Array.from({ length: 450 }, (_, number) => ({
      publicKey: Buffer.alloc(32, `${number} `).toString('base64'),
      endpoint: { address: '2001:db8::1', port: 14789 },
      allowed: ['fe80::1/128'],
    }))
    const requests = encodeWireguard(7, { privateKey: key(1), replacesPeers: true, peers })
    expect(requests.map((parts) => Buffer.concat(parts).length)).toEqual(
      [200, 200, 50].map((count) =>
        expect.toSatisfy((length: number) => length > count * 100 && length < 65_535),
      ),
    )
    // the key and the flag that clears the list come once
    expect(requests.map(({ length }) => length)).toEqual([4, 2, 2])
  })
})

describe('what a device tells', () => {
  const header = '00 01 00 00'
  const first = (address: string): string =>
    `2c 00 09 80  28 00 00 80  06 00 01 00  0a 00 00 00  14 00 02 00  ${address}  05 00 03 00  80 00 00 00`
  const one = 'fe 80 00 00 00 00 00 00 00 00 00 00 00 00 00 01'
  const two = 'fe 80 00 00 00 00 00 00 00 00 00 00 00 00 00 02'

  test('its public key, its port and its peers; a list that is cut goes on in the next message', () => {
    const begin = bytes(
      header,
      `24 00 04 00  ${hex(9)}`, // WGDEVICE_A_PUBLIC_KEY
      '06 00 06 00  c5 39 00 00',
      '6c 00 08 80  68 00 00 80',
      `24 00 01 00  ${hex(2)}`,
      '14 00 04 00  02 00 39 c5 c0 00 02 01 00 00 00 00 00 00 00 00',
      first(one),
    )
    const end = bytes(
      header,
      '7c 00 08 80',
      `54 00 00 80  24 00 01 00  ${hex(2)}`,
      first(two),
      `24 00 00 80  20 00 01 00  ${hex(3).slice(0, 56)}`,
    )
    expect(decodeWireguard([begin, end])).toEqual({
      publicKey: key(9),
      port: 14789,
      peers: [
        { publicKey: key(2), endpoint, allowed: ['fe80::1/128', 'fe80::2/128'] },
        { publicKey: Buffer.alloc(28, 3).toString('base64'), endpoint: null, allowed: [] },
      ],
    })
  })

  test('a device without a key has none', () => {
    expect(decodeWireguard([bytes(header, '06 00 06 00  00 00 00 00')])).toEqual({
      publicKey: '',
      port: 0,
      peers: [],
    })
  })
})

test('a refused request is called by its command, not by the number that its family happens to have', () => {
  const request = genericRequest({
    family: 16,
    command: 1,
    version: 1,
    attributes: [bytes('08 00 01 00  07 00 00 00')],
    subject: 'WG_CMD_SET_DEVICE of link 7',
  })
  expect(describeRequest(request)).toBe('generic WG_CMD_SET_DEVICE of link 7')
  expect(request.body).toEqual(bytes('01 01 00 00  08 00 01 00  07 00 00 00'))
})
