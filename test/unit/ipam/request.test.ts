import { expect, test } from 'vitest'
import type { PoolRequest } from '../../../src/ipam/ipam.ts'
import { checkPoolRequest } from '../../../src/ipam/request.ts'

const empty: PoolRequest = { family: 4, subnet: '', range: '', gateway: '', auxiliary: {}, options: {} }

test.each<[Partial<PoolRequest>, string]>([
  [{ subnet: 'foobar' }, 'invalid subnet foobar: invalid CIDR block notation'],
  [{ subnet: '10.10.10.0/8' }, 'invalid subnet 10.10.10.0/8: it should be 10.0.0.0/8'],
  [
    { subnet: '127.5.0.0/24' },
    'invalid subnet 127.5.0.0/24: it has loopback addresses in it (127.0.0.0/8), which no container can have',
  ],
  [
    { subnet: '232.0.0.0/5' },
    'invalid subnet 232.0.0.0/5: it has multicast addresses in it (224.0.0.0/4), which no container can have',
  ],
  [
    { family: 6, subnet: '::ffff:10.1.0.0/120' },
    'invalid subnet ::ffff:10.1.0.0/120: it has IPv4-mapped addresses in it (::ffff:0.0.0.0/96), which no container can have',
  ],
  [
    { family: 6, subnet: '::1/128' },
    'invalid subnet ::1/128: it has loopback addresses in it (::1/128), which no container can have',
  ],
  [{ subnet: '2001:db8::/32' }, 'invalid subnet 2001:db8::/32: it is an IPv6 block, wanted is IPv4'],
  [{ subnet: '10.0.0.0/8', range: 'x' }, 'invalid ip-range x: invalid CIDR block notation'],
  [
    { subnet: '10.0.0.0/8', range: '10.10.10.0/16' },
    'invalid ip-range 10.10.10.0/16: it should be 10.10.0.0/16',
  ],
  [
    { subnet: '10.10.10.0/24', range: '10.0.0.0/8' },
    'invalid ip-range 10.0.0.0/8: CIDR block is bigger than its parent subnet 10.10.10.0/24',
  ],
  [
    { subnet: '10.0.0.0/8', range: '192.168.0.0/24' },
    "invalid ip-range 192.168.0.0/24: parent subnet 10.0.0.0/8 doesn't contain ip-range",
  ],
  [
    { subnet: '10.0.0.0/8', range: 'fd00::/64' },
    'invalid ip-range fd00::/64: parent subnet is an IPv4 block',
  ],
  [{ subnet: '10.0.0.0/8', gateway: '1001.1' }, 'invalid gateway 1001.1: invalid address'],
  [{ subnet: '10.0.0.0/8', gateway: 'fd00::1' }, 'invalid gateway fd00::1: parent subnet is an IPv4 block'],
  [
    { subnet: '10.0.0.0/8', gateway: '192.168.0.1' },
    "invalid gateway 192.168.0.1: parent subnet 10.0.0.0/8 doesn't contain this address",
  ],
  [
    { subnet: '10.0.0.0/8', auxiliary: { printer: '192.168.0.1' } },
    "invalid auxiliary address printer: parent subnet 10.0.0.0/8 doesn't contain this address",
  ],
  [{ gateway: '10.0.0.1' }, 'gateway 10.0.0.1 needs a subnet that contains it: give one with --subnet'],
])('%j is refused with its reason', (part, reason) => {
  expect(() => checkPoolRequest({ ...empty, ...part })).toThrow(`invalid network config:\n${reason}`)
})

test('everything that is wrong is said at once', () => {
  const request = { ...empty, subnet: '10.0.0.0/24', range: 'x', gateway: 'y', auxiliary: { z: 'z' } }
  expect(() => checkPoolRequest(request)).toThrow(/ip-range x.*\n.*gateway y.*\n.*address z/)
})

test.each([4, 6] as const)('a size alone, however large, is no block of IPv%i’s', (family) => {
  checkPoolRequest({ ...empty, family, subnet: family === 4 ? '0.0.0.0/1' : '::/80' })
})

test('a complete and right request passes', () => {
  const auxiliary = { DefaultGatewayIPv4: '10.10.0.1' }
  checkPoolRequest({ ...empty, subnet: '10.0.0.0/8', range: '10.10.0.0/16', gateway: '10.10.0.1', auxiliary })
})
