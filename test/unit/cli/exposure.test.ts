import { describe, expect, test } from 'vitest'
import {
  formatClients,
  formatExposed,
  formatSeen,
  listExposures,
  listOpenAddresses,
  listTrusted,
  markWaiting,
} from '../../../src/cli/exposure.ts'

const port = { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp', Via: 'dnat' as const }

describe('the exposure of a port', () => {
  test.each([
    [port, 'everyone over IPv4', "the client's"],
    [{ ...port, IP: '::', Via: 'proxy' as const }, 'everyone over IPv6', "the host's"],
    [{ ...port, IP: '127.0.0.1' }, 'this host', "the host's"],
    [{ ...port, IP: '::1', Via: 'proxy' as const }, 'this host', "the host's"],
    [{ ...port, HostInterface: 'lo' }, 'this host', "the client's"],
    [{ ...port, HostInterface: 'eth1' }, 'everyone over IPv4 by eth1', "the client's"],
    [{ ...port, From: ['10.0.0.0/8', 'fd00::/8'] }, '10.0.0.0/8', "the client's"],
    [{ ...port, From: ['10.0.0.0/8'], HostInterface: 'eth1' }, '10.0.0.0/8 by eth1', "the client's"],
    [{ ...port, IP: '::', Via: 'route' as const }, 'everyone over IPv6 with a route to it', "the client's"],
  ])('of %j is told', (one, clients, seen) => {
    const exposure = { container: 'web', port: one }
    expect(formatClients(exposure)).toBe(clients)
    expect(formatSeen(exposure)).toBe(seen)
  })

  test.each([
    [{ ...port, Count: 3 }, '0.0.0.0:8080-8082->80-82/tcp'],
    [{ ...port, IP: '::', PrivatePort: 8080, Count: 3 }, '[::]:8080-8082->8080-8082/tcp'],
    [
      { ...port, IP: '::', Via: 'route' as const, PublicPort: undefined },
      "the container's own address: 80/tcp",
    ],
  ])('of %j is told in one piece', ({ PublicPort, ...one }, text) => {
    const told = PublicPort === undefined ? one : { ...one, PublicPort }
    expect(formatExposed({ container: 'web', port: told })).toBe(text)
  })

  test('leaves out what is only exposed', () => {
    const containers = [{ Names: ['/web'], Ports: [port, { PrivatePort: 81, Type: 'tcp' }] }]
    const found = listExposures(containers)
    expect(found.map(formatExposed)).toEqual(['0.0.0.0:8080->80/tcp'])
    expect(found[0]?.container).toBe('web')
  })
})

test('a port at an address that the host does not have is told to wait for it', () => {
  const at = (IP: string) => ({ ...port, IP })
  const wanted = ['203.0.113.9', '2001:db8::9', '192.0.2.1', '0.0.0.0', '::', '127.0.0.2']
  const found = listExposures([{ Names: ['/web'], Ports: wanted.map(at) }])
  const own = ['192.0.2.1/24', '127.0.0.1/8', '::1/128']
  expect(markWaiting(found, own).map(formatClients)).toEqual([
    'nobody until the host has 203.0.113.9',
    'nobody until the host has 2001:db8::9',
    'everyone over IPv4',
    'everyone over IPv4',
    'everyone over IPv6',
    'this host',
  ])
})

describe('a port that trusted interfaces let in to', () => {
  test('is told with the address of the container, the interface and the clients that it is for', () => {
    const { PublicPort: _, ...own } = port
    const four = { ...own, IP: '10.1.0.2', Via: 'route' as const, HostInterface: 'vpn0' }
    const six = { ...four, IP: 'fd00::2', Count: 3, From: ['fd00::/8'] }
    const found = listTrusted([{ Names: ['/web'], Ports: [port], Trusted: [four, six] }])
    expect(found.map((one) => [formatExposed(one), formatClients(one), formatSeen(one)])).toEqual([
      ['10.1.0.2: 80/tcp', 'everyone over IPv4 by vpn0 with a route to it', "the client's"],
      ['fd00::2: 80-82/tcp', 'fd00::/8 by vpn0 with a route to it', "the client's"],
    ])
    expect(listTrusted([{ Names: ['/web'], Ports: [port] }])).toEqual([])
  })
})

describe('an address on a network in the mode nat-unprotected', () => {
  const mode = 'com.docker.network.bridge.gateway_mode_ipv'
  const addresses = { IPAddress: '10.1.0.2', GlobalIPv6Address: 'fd00::2' }
  const webOn = (NetworkID: string) => ({
    Names: ['/web'],
    NetworkSettings: { Networks: { net: { NetworkID, ...addresses } } },
  })
  const networks = [
    { Id: 'four', Internal: false, Options: { [`${mode}4`]: 'nat-unprotected', [`${mode}6`]: 'nat' } },
    { Id: 'six', Internal: false, Options: { [`${mode}6`]: 'nat-unprotected' } },
    { Id: 'shut', Internal: true, Options: { [`${mode}4`]: 'nat-unprotected' } },
    { Id: 'plain', Internal: false, Options: null },
  ]

  test('is told with every port, published or not, and who can have a way to it', () => {
    const [four, ...none] = listOpenAddresses([webOn('four')], networks)
    expect(none).toEqual([])
    expect([formatExposed(four!), formatClients(four!), formatSeen(four!)]).toEqual([
      '10.1.0.2: every port',
      'everyone over IPv4 with a route to it',
      "the client's",
    ])
  })

  test('is told for the family alone that has the mode, and not of networks without a way out', () => {
    const all = ['six', 'shut', 'plain', 'gone'].map(webOn)
    expect(listOpenAddresses(all, networks)).toEqual([{ container: 'web', address: 'fd00::2' }])
  })
})
