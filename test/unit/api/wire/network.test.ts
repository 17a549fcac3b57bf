import { describe, expect, test } from 'vitest'
import { parseFilters } from '../../../../src/api/filters.ts'
import {
  networkFilters,
  pruneFilters,
  selectNetworks,
  selectPruned,
  toNetworkInspect,
  toNetworkWish,
  toPeers,
} from '../../../../src/api/wire/network.ts'
import type { NetworkRecord } from '../../../../src/store/records.ts'
import type { EndpointId } from '../../../../src/values/id.ts'
import { bridge } from '../memory-engine.ts'

const pool = (config: object) => toNetworkWish({ Name: 'n', IPAM: { Config: [config] } }, 50)

describe('a body', () => {
  test('with a name alone asks for a bridge', () => {
    expect(toNetworkWish({ Name: 'n' }, 50)).toEqual({
      name: 'n',
      driver: 'bridge',
      internal: false,
      attachable: false,
      ipv4: null,
      ipv6: null,
      ipamDriver: 'default',
      ipamOptions: {},
      pools: [],
      options: {},
      labels: {},
      dnsServers: [],
      configOnly: false,
      configFrom: '',
    })
  })

  test('with every option is understood', () => {
    const body = {
      Name: 'n',
      Driver: 'macvlan',
      Scope: 'local',
      EnableIPv4: false,
      EnableIPv6: true,
      Internal: true,
      Attachable: true,
      IPAM: {
        Driver: 'mine',
        Options: { a: 'b' },
        Config: [
          {
            Subnet: '10.0.0.0/16',
            IPRange: '10.0.1.0/24',
            Gateway: '10.0.0.254',
            AuxiliaryAddresses: { router: '10.0.0.9' },
          },
          { Subnet: 'fd00::/64' },
        ],
      },
      Options: { parent: 'eth0' },
      DnsServers: ['10.0.0.53', 'FD00::0:53'],
      ConfigFrom: { Network: 'settings' },
      Labels: { x: 'y' },
    }
    expect(toNetworkWish(body, 50)).toEqual({
      name: 'n',
      driver: 'macvlan',
      internal: true,
      attachable: true,
      ipv4: false,
      ipv6: true,
      ipamDriver: 'mine',
      ipamOptions: { a: 'b' },
      pools: [
        {
          subnet: '10.0.0.0/16',
          range: '10.0.1.0/24',
          gateway: '10.0.0.254',
          auxiliary: { router: '10.0.0.9' },
        },
        { subnet: 'fd00::/64', range: '', gateway: '', auxiliary: {} },
      ],
      options: { parent: 'eth0' },
      labels: { x: 'y' },
      dnsServers: ['10.0.0.53', 'fd00::53'],
      configOnly: false,
      configFrom: 'settings',
    })
  })

  test('could say nothing of IPv4 before 1.48', () => {
    expect(toNetworkWish({ Name: 'n', EnableIPv4: false }, 47).ipv4).toBe(null)
  })

  test.each([
    [{ Subnet: 'x' }, 'invalid subnet x: invalid CIDR block notation'],
    [{ Gateway: '10.0.0.1' }, 'invalid subnet : invalid CIDR block notation'],
    [{ Subnet: '10.0.0.1/24' }, 'invalid subnet 10.0.0.1/24: it should be 10.0.0.0/24'],
    [{ Subnet: '10.0.0.0/24', IPRange: 'x' }, 'invalid ip-range x: invalid CIDR block notation'],
    [
      { Subnet: '10.0.0.0/24', IPRange: 'fd00::/80' },
      'invalid ip-range fd00::/80: parent subnet is an IPv4 block',
    ],
    [
      { Subnet: '10.0.0.0/24', IPRange: '10.0.0.0/16' },
      'invalid ip-range 10.0.0.0/16: CIDR block is bigger than its parent subnet 10.0.0.0/24',
    ],
    [
      { Subnet: '10.0.0.0/24', IPRange: '10.0.0.5/25' },
      'invalid ip-range 10.0.0.5/25: it should be 10.0.0.0/25',
    ],
    [
      { Subnet: '10.0.0.0/24', IPRange: '10.0.1.0/25' },
      "invalid ip-range 10.0.1.0/25: parent subnet 10.0.0.0/24 doesn't contain ip-range",
    ],
    [{ Subnet: '10.0.0.0/24', Gateway: 'x' }, 'invalid gateway x: invalid address'],
    [
      { Subnet: '10.0.0.0/24', Gateway: 'fd00::1' },
      'invalid gateway fd00::1: parent subnet is an IPv4 block',
    ],
    [
      { Subnet: '10.0.0.0/24', Gateway: '10.0.1.1' },
      "invalid gateway 10.0.1.1: parent subnet 10.0.0.0/24 doesn't contain this address",
    ],
    [
      { Subnet: '10.0.0.0/24', AuxiliaryAddresses: { r: '10.0.1.1' } },
      "invalid auxiliary address r: parent subnet 10.0.0.0/24 doesn't contain this address",
    ],
  ])('with the pool %j is refused', (config, problem) => {
    expect(() => pool(config)).toThrow(
      expect.objectContaining({ kind: 'invalid', message: `invalid network config:\n${problem}` }),
    )
  })

  test('is told everything that is wrong with it', () => {
    expect(() => pool({ Subnet: '10.0.0.1/24', Gateway: 'x' })).toThrow(
      'invalid network config:\n* invalid subnet 10.0.0.1/24: it should be 10.0.0.0/24\n* invalid gateway x: invalid address',
    )
  })

  test.each([
    [{ Ingress: true }, 'forbidden', 'Ingress network can only be global scope network'],
    [{ Scope: 'swarm' }, 'forbidden', 'cannot create a swarm scoped network when swarm is not active'],
    [{ Scope: 'global' }, 'unavailable', 'This node is not a swarm manager.'],
    [
      { Scope: 'local', Driver: 'overlay' },
      'forbidden',
      'cannot downgrade network scope for overlay networks',
    ],
  ] as const)('of a swarm, or not of all hosts, cannot be had: %j', (fields, kind, message) => {
    expect(() => toNetworkWish({ Name: 'n', ...fields }, 50)).toThrow(
      expect.objectContaining({ kind, message: expect.stringContaining(message) }),
    )
  })

  test('has only addresses as name servers', () => {
    expect(() => toNetworkWish({ Name: 'n', DnsServers: ['dns.example'] }, 50)).toThrow(
      'name server dns.example is not an IP address',
    )
  })
})

describe('a prune', () => {
  const now = Date.parse('2026-01-02T00:00:00Z')
  const made = { ...bridge, createdAt: '2026-01-01T12:00:00Z', labels: { a: '1', b: '2' } }
  test.each([
    [{}, true],
    [{ label: ['a'] }, true],
    [{ label: ['a=2'] }, false],
    [{ 'label!': ['a'] }, false],
    [{ 'label!': ['c'] }, true],
    [{ 'label!': ['a', 'c'] }, true],
    [{ until: ['11h59m'] }, true],
    [{ until: ['12h0.5m'] }, false],
    [{ until: ['2026-01-01T13:00:00Z'] }, true],
    [{ until: [String(now / 1000 - 50_000)] }, false],
  ] as const)('filtered by %j takes a network of noon with two labels: %s', (value, taken) => {
    const filters = parseFilters({ filters: JSON.stringify(value) }, pruneFilters)
    expect(selectPruned(filters, now)(made)).toBe(taken)
  })

  test.each([
    [['soon'], 'failed to parse value as time or duration: "soon"'],
    [['1h', '2h'], 'more than one until filter specified'],
  ])('until %j is refused', (until, message) => {
    expect(() => selectPruned(new Map([['until', until]]), now)).toThrow(message)
  })
})

const custom: NetworkRecord = {
  ...bridge,
  id: 'c'.repeat(64) as NetworkRecord['id'],
  name: 'mine',
  driver: 'macvlan',
  labels: { a: '1' },
  pools: [{ subnet: '10.0.0.0/16', range: '10.0.1.0/24', gateway: '', auxiliary: { r: '10.0.0.9' } }],
  predefined: false,
  givenFamilies: [4],
  configuration: null,
  dnsServers: [],
  configOnly: false,
  configFrom: '',
}

test('a network of the cluster is of global scope, and told with the hosts that are on it', () => {
  const mesh = { ...custom, name: 'mesh', driver: 'overlay' }
  expect(toNetworkInspect(mesh, []).Scope).toBe('global')
  const list = selectNetworks([bridge, mesh], new Map([['scope', ['global']]]), () => false)
  expect(list.map(({ name }) => name)).toEqual(['mesh'])
  const endpoint = {
    id: 'e1' as EndpointId,
    network: mesh.id,
    node: 'h2',
    container: 'c1',
    containerName: 'web',
    names: ['web', 'www'],
    address4: '10.128.0.2/24',
    address6: '',
    mac: '02:00:00:00:00:01',
  }
  expect(toPeers([{ name: 'h2', address: '10.0.0.2', endpoints: [endpoint] }])).toEqual({
    Peers: [{ Name: 'h2', IP: '10.0.0.2' }],
    Hosts: {
      h2: {
        Address: '10.0.0.2',
        Containers: {
          c1: {
            Name: 'web',
            EndpointID: 'e1',
            MacAddress: '02:00:00:00:00:01',
            IPv4Address: '10.128.0.2/24',
            IPv6Address: '',
            DNSNames: ['web', 'www'],
          },
        },
      },
    },
  })
})

test('inspect tells pools in the words in which they were given', () => {
  expect(toNetworkInspect(custom, []).IPAM).toEqual({
    Driver: 'default',
    Options: {},
    Config: [{ Subnet: '10.0.0.0/16', IPRange: '10.0.1.0/24', AuxiliaryAddresses: { r: '10.0.0.9' } }],
  })
})

describe('a list', () => {
  test.each([
    [{}, ['bridge', 'mine']],
    [{ name: ['mi'] }, ['mine']],
    [{ id: ['ccc'] }, ['mine']],
    [{ driver: ['bridge'] }, ['bridge']],
    [{ label: ['a=1'] }, ['mine']],
    [{ type: ['builtin'] }, ['bridge']],
    [{ type: ['custom'] }, ['mine']],
    [{ scope: ['local'] }, ['bridge', 'mine']],
    [{ scope: ['swarm'] }, []],
    [{ dangling: ['true'] }, ['mine']],
    [{ dangling: ['false'] }, ['bridge']],
  ])('filtered by %j is of %j', (value, names) => {
    const filters = parseFilters({ filters: JSON.stringify(value) }, networkFilters)
    expect(selectNetworks([bridge, custom], filters, () => false).map(({ name }) => name)).toEqual(names)
  })

  test('knows no other type', () => {
    expect(() => selectNetworks([], new Map([['type', ['odd']]]), () => false)).toThrow(
      "invalid filter 'type=odd': it must be builtin or custom",
    )
  })
})
