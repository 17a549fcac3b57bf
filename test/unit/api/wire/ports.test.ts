import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  fromPortBindings,
  parseContainerPorts,
  toExposedPorts,
  toPortBindings,
  toPortMap,
  toPortRanges,
  toPortSummaries,
} from '../../../../src/api/wire/ports.ts'
import type { PublishedPort } from '../../../../src/store/records.ts'

describe('a container port', () => {
  test.each([
    ['80', { first: 80, last: 80, protocol: 'tcp' }],
    ['80/tcp', { first: 80, last: 80, protocol: 'tcp' }],
    ['53/UDP', { first: 53, last: 53, protocol: 'udp' }],
    ['9/sctp', { first: 9, last: 9, protocol: 'sctp' }],
    ['8000-8010/udp', { first: 8000, last: 8010, protocol: 'udp' }],
    ['65535', { first: 65535, last: 65535, protocol: 'tcp' }],
  ])('%s is understood', (key, ports) => {
    expect(parseContainerPorts(key)).toEqual(ports)
  })

  test.each([
    ['70000/tcp', 'invalid port specification: "70000"'],
    ['0/tcp', 'invalid port specification: "0"'],
    ['/tcp', 'invalid port specification: ""'],
    ['x', 'invalid port specification: "x"'],
    ['-1', 'invalid port specification: "-1"'],
    ['80-79', 'invalid port specification: "80-79"'],
    ['80-', 'invalid port specification: "80-"'],
    ['80/icmp', 'invalid proto: icmp'],
    ['80/tcp/udp', 'invalid proto: tcp'],
  ])('%s is refused', (key, message) => {
    expect(() => parseContainerPorts(key)).toThrow(message)
  })
})

test('exposed ports are kept as ranges, however they are told', () => {
  const ports = { '91/udp': {}, '80': {}, '90/udp': {}, '92-93/udp': {} }
  expect(toExposedPorts(ports)).toEqual(['80/tcp', '90-93/udp'])
})

describe('a binding', () => {
  const one = (HostPort: string, HostIp = '', key = '80/tcp') =>
    toPortBindings({ [key]: [{ HostIp, HostPort }] })
  const base = {
    protocol: 'tcp',
    containerPort: 80,
    hostAddress: '',
    hostInterface: '',
    sources: [],
    hostPolicy: '',
    count: 1,
  }

  test.each([
    ['8080', { hostPort: 8080, hostPortEnd: 8080 }],
    ['', { hostPort: 0, hostPortEnd: 0 }],
    ['0', { hostPort: 0, hostPortEnd: 0 }],
    ['8000-8010', { hostPort: 8000, hostPortEnd: 8010 }],
  ])('to host port "%s" is understood', (text, ports) => {
    expect(one(text)).toEqual([{ ...base, ...ports }])
  })

  test('keeps the address that it is for', () => {
    expect(one('1', '127.0.0.1')[0]?.hostAddress).toBe('127.0.0.1')
    expect(one('1', '::1')[0]?.hostAddress).toBe('::1')
    expect(one('1', '::FFFF:127.0.0.1')[0]?.hostAddress).toBe('127.0.0.1')
    expect(one('1', '::ffff:7f00:1')[0]?.hostAddress).toBe('127.0.0.1')
  })

  test('of a range takes a range as long, or any free ports', () => {
    const range = {
      protocol: 'udp',
      containerPort: 8000,
      hostAddress: '',
      hostInterface: '',
      sources: [],
      hostPolicy: '',
      count: 11,
    }
    expect(one('9000-9010', '', '8000-8010/udp')).toEqual([{ ...range, hostPort: 9000, hostPortEnd: 9010 }])
    expect(one('', '', '8000-8010/udp')).toEqual([{ ...range, hostPort: 0, hostPortEnd: 0 }])
  })

  test.each([
    ['x', 'invalid port specification: "x"'],
    ['70000', 'invalid port specification: "70000"'],
    ['9-8', 'invalid port specification: "9-8"'],
  ])('to host port "%s" is refused', (text, message) => {
    expect(() => one(text)).toThrow(message)
  })

  test('of a range to another number of ports is refused', () => {
    expect(() => one('9000-9005', '', '8000-8010')).toThrow('11 container ports need as many host ports')
  })

  test('may be for an interface, by its name in the place of an address', () => {
    expect(one('80', 'eth1')[0]).toMatchObject({ hostAddress: '', hostInterface: 'eth1' })
    expect(
      toPortBindings({ '80/tcp': [{ HostIp: '10.0.0.1', HostPort: '80', HostInterface: 'eth1' }] })[0],
    ).toMatchObject({ hostAddress: '10.0.0.1', hostInterface: 'eth1' })
  })

  test('may be for some clients, whose blocks are kept in one form', () => {
    const from = (From: string[], HostIp = '') =>
      toPortBindings({ '80/tcp': [{ HostIp, HostPort: '80', From }] })[0]?.sources
    expect(from(['10.1.2.3', '10.9.0.7/16', '10.9.0.0/16'])).toEqual(['10.1.2.3/32', '10.9.0.0/16'])
    expect(from(['FD00::1/64'])).toEqual(['fd00::/64'])
    expect(() => from(['10.0.0.0/33'])).toThrow('invalid CIDR address: 10.0.0.0/33')
    expect(() => from(['fd00::/64'], '127.0.0.1')).toThrow('names nobody who can reach 127.0.0.1')
  })

  test('that is told and read again is the same', () => {
    const ports = { '80/tcp': [{ HostIp: 'eth1', HostPort: '80', From: ['10.0.0.0/8'] }] }
    const bindings = toPortBindings(ports)
    expect(fromPortBindings(bindings)).toEqual({
      '80/tcp': [{ HostIp: '', HostPort: '80', HostInterface: 'eth1', From: ['10.0.0.0/8'] }],
    })
    expect(toPortBindings(fromPortBindings(bindings) as never)).toEqual(bindings)
  })

  test.each(['10.0.0', '1.2.3.4.5', 'fe80::x', 'a b', 'longer-than-any-link'])(
    'to "%s" is refused',
    (place) => {
      expect(() => one('80', place)).toThrow(/^(invalid IP address: |interface name )/)
    },
  )

  test('that is missing only exposes the port', () => {
    expect(toPortBindings({ '80/tcp': [], '81/tcp': null })).toEqual([])
  })
})

describe('neighbouring bindings', () => {
  const ports = (...pairs: readonly [key: string, host: string, ip?: string][]) => {
    const map: Record<string, { HostIp: string; HostPort: string }[]> = {}
    for (const [key, HostPort, HostIp = ''] of pairs) map[key] = [...(map[key] ?? []), { HostIp, HostPort }]
    return toPortBindings(map).map(
      ({ hostAddress, hostPort, hostPortEnd, containerPort, count, protocol }) =>
        `${hostAddress}|${hostPort}-${hostPortEnd}>${containerPort}*${count}/${protocol}`,
    )
  }

  test('become one, in whatever order they come', () => {
    expect(ports(['9/tcp', '9'], ['10/tcp', '10'], ['8/tcp', '8'])).toEqual(['|8-10>8*3/tcp'])
    expect(ports(['80/tcp', '8080'], ['81/tcp', '8081'])).toEqual(['|8080-8081>80*2/tcp'])
  })

  test('stay apart across protocols, addresses, gaps and distances', () => {
    expect(ports(['80/tcp', '80'], ['81/udp', '81'])).toHaveLength(2)
    expect(ports(['80/tcp', '80', '127.0.0.1'], ['81/tcp', '81', '127.0.0.2'])).toHaveLength(2)
    expect(ports(['80/tcp', '80'], ['82/tcp', '82'])).toHaveLength(2)
    expect(ports(['80/tcp', '80'], ['81/tcp', '90'])).toHaveLength(2)
  })

  test('of one port to two hosts each find their own', () => {
    expect(ports(['80/tcp', '80'], ['80/tcp', '180'], ['81/tcp', '81'], ['81/tcp', '181'])).toEqual([
      '|80-81>80*2/tcp',
      '|180-181>80*2/tcp',
    ])
  })

  test('that leave the choice of ports open are left alone', () => {
    expect(ports(['80/tcp', ''], ['81/tcp', ''])).toEqual(['|0-0>80*1/tcp', '|0-0>81*1/tcp'])
    expect(ports(['80/tcp', '80-90'], ['81/tcp', '81-91'])).toEqual(['|80-90>80*1/tcp', '|81-91>81*1/tcp'])
  })

  test('are told one by one again by inspect, none lost and none added', () => {
    const port = fc.integer({ min: 1, max: 40 })
    const pair = fc.tuple(port, port, fc.constantFrom('tcp', 'udp'), fc.constantFrom('', '127.0.0.1'))
    const unique = fc.uniqueArray(pair, { selector: String, maxLength: 60 })
    fc.assert(
      fc.property(unique, (pairs) => {
        const map: Record<string, { HostIp: string; HostPort: string }[]> = {}
        for (const [container, host, protocol, HostIp] of pairs) {
          const key = `${container}/${protocol}`
          map[key] = [...(map[key] ?? []), { HostIp, HostPort: String(host) }]
        }
        const flat = (one: typeof map): string[] =>
          Object.entries(one)
            .flatMap(([key, hosts]) => hosts.map(({ HostIp, HostPort }) => `${key} ${HostIp} ${HostPort}`))
            .sort()
        expect(flat(fromPortBindings(toPortBindings(map)))).toEqual(flat(map))
      }),
    )
  })
})

test('inspect writes open choices as they were given', () => {
  const map = {
    '80/tcp': [{ HostIp: '', HostPort: '8000-8010' }],
    '81/tcp': [{ HostIp: '', HostPort: '' }],
  }
  expect(fromPortBindings(toPortBindings(map))).toEqual(map)
})

const published: readonly PublishedPort[] = [
  {
    protocol: 'tcp',
    hostAddress: '0.0.0.0',
    hostInterface: '',
    sources: [],
    hostPolicy: '',
    hostPort: 8080,
    containerPort: 80,
    count: 2,
    via: 'dnat',
  },
  {
    protocol: 'tcp',
    hostAddress: '::',
    hostInterface: '',
    sources: [],
    hostPolicy: '',
    hostPort: 8080,
    containerPort: 80,
    count: 1,
    via: 'proxy',
  },
]

test('published ports are told with every address, exposed ones with none', () => {
  expect(toPortMap(published, ['80/tcp', '443/tcp'])).toEqual({
    '80/tcp': [
      { HostIp: '0.0.0.0', HostPort: '8080' },
      { HostIp: '::', HostPort: '8080', Proxied: true },
    ],
    '81/tcp': [{ HostIp: '0.0.0.0', HostPort: '8081' }],
    '443/tcp': null,
  })
})

test('ports that are routed to have none of the host, and the terms of a port are told with it', () => {
  const [port] = published as [PublishedPort]
  const routed = { ...port, via: 'route' as const, hostPort: 0, count: 1 }
  expect(toPortMap([routed], [])).toEqual({ '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '' }] })
  expect(toPortSummaries([routed], ['80/tcp'])).toEqual([{ IP: '0.0.0.0', PrivatePort: 80, Type: 'tcp' }])
  const bound = { ...port, hostInterface: 'eth1', sources: ['10.0.0.0/8'], count: 1 }
  expect(toPortMap([bound], [])['80/tcp']).toEqual([
    { HostIp: '0.0.0.0', HostPort: '8080', HostInterface: 'eth1', From: ['10.0.0.0/8'] },
  ])
})

test('a list of ranges has one entry for ten thousand ports', () => {
  const [port] = published as [PublishedPort]
  const range = { ...port, count: 10_000 }
  const terms = { Count: 10_000, Type: 'tcp', IP: '0.0.0.0', Via: 'dnat' }
  expect(toPortRanges([range], ['70-90/tcp'])).toEqual([
    { ...terms, PrivatePort: 80, PublicPort: 8080 },
    { PrivatePort: 70, Type: 'tcp', Count: 10 },
  ])
})

test('a list tells each published port, and exposed ones that are not', () => {
  expect(toPortSummaries(published, ['80/tcp', '53/udp'])).toEqual([
    { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
    { IP: '0.0.0.0', PrivatePort: 81, PublicPort: 8081, Type: 'tcp' },
    { IP: '::', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
    { PrivatePort: 53, Type: 'udp' },
  ])
})
