import { describe, expect, test } from 'vitest'
import {
  allPeers,
  changesOf,
  comparePeers,
  describePeers,
  peersOf,
  tunnelAddress,
} from '../../../src/drivers/overlay/tunnel-peers.ts'
import { nodeRecord } from '../../helpers/told-cluster.ts'

const key = (byte: number): string => Buffer.alloc(32, byte).toString('base64')
const self = { name: 'h1', address: '192.0.2.1' }
const h2 = (publicKey: number, next = 0, address = '192.0.2.2') =>
  nodeRecord('h2', address, { publicKey: key(publicKey), nextPublicKey: next === 0 ? '' : key(next) })
const allowed = [`${tunnelAddress('h2')}/128`]
const endpoint = { address: '192.0.2.2', port: 14789 }

test('an address in the tunnel is link-local, and a host’s own by its name', () => {
  const names = Array.from({ length: 1000 }, (_, number) => `host${number}`)
  const addresses = names.map(tunnelAddress)
  expect(new Set(addresses).size).toBe(1000)
  expect(addresses.every((address) => address.startsWith('fe80::'))).toBe(true)
  expect(tunnelAddress('h2')).toBe(tunnelAddress('h2'))
})

describe('a host’s keys', () => {
  test('the one in force has its address, the next one is known and has none', () => {
    expect(peersOf(h2(1, 2), self)).toEqual([
      { publicKey: key(1), endpoint, allowed },
      { publicKey: key(2), endpoint, allowed: [] },
    ])
  })

  test.each([
    ['this one', nodeRecord('h1', '192.0.2.1', { publicKey: key(1) })],
    ['a host without a key', nodeRecord('h2', '192.0.2.2')],
    ['a host of another family', h2(1, 0, '2001:db8::2')],
    ['a host whose key is none', nodeRecord('h2', '192.0.2.2', { publicKey: 'nonsense' })],
    ['a host without an address', h2(1, 0, 'nowhere')],
  ])('%s is no peer', (_, node) => {
    expect(peersOf(node, self)).toEqual([])
  })
})

test('a host that has changed its name has its key and its new address, while its old name is there still', () => {
  const late = {
    ...nodeRecord('h3', '192.0.2.2', { publicKey: key(1) }),
    joinedAt: '2026-02-01T00:00:00.000Z',
  }
  const renamed = [{ publicKey: key(1), endpoint, allowed: [`${tunnelAddress('h3')}/128`] }]
  expect(allPeers([h2(1), late], self)).toEqual(renamed)
  expect(allPeers([late, h2(1)], self)).toEqual(renamed)
})

describe('what changes', () => {
  test('when the next key is announced: it is there beside the other', () => {
    expect(changesOf(peersOf(h2(1), self), peersOf(h2(1, 2), self))).toEqual([
      { publicKey: key(2), endpoint, allowed: [] },
    ])
  })

  test('when it is in force: it has the address, and then the other one goes', () => {
    expect(changesOf(peersOf(h2(1, 2), self), peersOf(h2(2), self))).toEqual([
      { publicKey: key(2), endpoint, allowed },
      { publicKey: key(1), isGone: true },
    ])
  })

  test('when a host comes, moves, and goes', () => {
    expect(changesOf([], peersOf(h2(1), self))).toEqual([{ publicKey: key(1), endpoint, allowed }])
    expect(changesOf(peersOf(h2(1), self), peersOf(h2(1, 0, '192.0.2.9'), self))).toEqual([
      { publicKey: key(1), endpoint: { ...endpoint, address: '192.0.2.9' }, allowed },
    ])
    expect(changesOf(peersOf(h2(1), self), [])).toEqual([{ publicKey: key(1), isGone: true }])
    expect(changesOf(peersOf(h2(1), self), peersOf(h2(1), self))).toEqual([])
  })
})

describe('a device beside what it should be', () => {
  const device = (...peers: ReturnType<typeof peersOf>) => ({ publicKey: key(9), port: 14789, peers })
  const wanted = peersOf(h2(1, 2), self)

  test('is right', () => {
    expect(comparePeers(device(...wanted), wanted, true)).toEqual({
      changes: [],
      gone: 0,
      wrong: 0,
      stale: 0,
    })
  })

  test('has lost a peer, or its address', () => {
    const found = comparePeers(device({ ...wanted[0]!, allowed: [] }), wanted, true)
    expect(found).toMatchObject({ gone: 1, wrong: 1, stale: 0 })
    expect(found.changes).toHaveLength(2)
    expect(describePeers(found)).toEqual([
      '1 key of other hosts was gone',
      '1 key of other hosts stood for other addresses',
    ])
  })

  test('has peers of no host, which stay until all hosts are known', () => {
    const stranger = { publicKey: key(5), endpoint: null, allowed: ['::/0'] }
    expect(comparePeers(device(...wanted, stranger), wanted, true)).toMatchObject({
      changes: [{ publicKey: key(5), isGone: true }],
      stale: 1,
    })
    expect(comparePeers(device(...wanted, stranger), wanted, false).changes).toEqual([])
  })

  test('sends elsewhere: that is set right, and is no fault, for a host’s packets may come from elsewhere', () => {
    const moved = { ...wanted[0]!, endpoint: { address: '192.0.2.77', port: 4 } }
    const found = comparePeers(device(moved, wanted[1]!), wanted, true)
    expect(found.changes).toEqual([wanted[0]])
    expect(describePeers(found)).toEqual([])
  })

  test('is not given its own key as a peer’s, which the kernel would pass over', () => {
    expect(comparePeers(device(), [{ publicKey: key(9), endpoint, allowed }], true).changes).toEqual([])
  })
})
