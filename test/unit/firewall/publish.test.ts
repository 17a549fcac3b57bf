import { describe, expect, it } from 'vitest'
import { publishRules, trustedRules } from '../../../src/firewall/publish.ts'
import type { PublishedPort } from '../../../src/store/records.ts'

const target = { owner: 'endpoint', interface: 'br-a', address4: '172.18.0.2/16', address6: 'fd00::2/64' }
const port: PublishedPort = {
  protocol: 'tcp',
  hostAddress: '0.0.0.0',
  hostInterface: '',
  sources: [],
  hostPolicy: '',
  hostPort: 8080,
  containerPort: 80,
  count: 1,
  via: 'dnat',
}

describe('publishRules', () => {
  it('turns the wildcard of a family into any local address, and takes the container address of that family', () => {
    const rules = publishRules([port, { ...port, hostAddress: '::' }], target)
    expect(rules.map(({ family, hostAddress, address }) => [family, hostAddress, address])).toEqual([
      [4, '', '172.18.0.2'],
      [6, '', 'fd00::2'],
    ])
  })

  it('keeps a range whole, and its address', () => {
    const [rule, ...rest] = publishRules([{ ...port, hostAddress: '192.0.2.1', count: 50 }], target)
    expect(rest).toEqual([])
    expect(rule).toEqual({
      kind: 'publish',
      owner: 'endpoint',
      family: 4,
      mode: 'dnat',
      protocol: 'tcp',
      hostAddress: '192.0.2.1',
      hostPort: 8080,
      count: 50,
      hostInterface: '',
      sources: [],
      interface: 'br-a',
      address: '172.18.0.2',
      port: 80,
    })
  })

  it('makes none for a proxied port, nor for a family that the container lacks', () => {
    expect(publishRules([{ ...port, via: 'proxy' }], target)).toEqual([])
    expect(publishRules([{ ...port, hostAddress: '::' }], { ...target, address6: '' })).toEqual([])
  })

  it('makes a rule without translation for a routed port', () => {
    expect(publishRules([{ ...port, via: 'route' }], target)).toMatchObject([{ mode: 'route', port: 80 }])
  })

  it('takes of the clients that are let in those of its family, and none twice', () => {
    const sources = ['10.1.0.0/16', '10.0.0.0/8', '192.168.1.9/24', 'fd00::/8', '10.0.0.0/8']
    const rules = publishRules(
      [
        { ...port, sources },
        { ...port, hostAddress: '::', sources },
      ],
      target,
    )
    expect(rules.map((rule) => rule.sources)).toEqual([['10.0.0.0/8', '192.168.1.0/24'], ['fd00::/8']])
  })

  it('is for nobody of a family of which no client is named, and for everybody when all are', () => {
    expect(publishRules([{ ...port, sources: ['fd00::/8'] }], target)).toEqual([])
    expect(publishRules([{ ...port, sources: ['0.0.0.0/0', '10.0.0.0/8'] }], target)).toMatchObject([
      { sources: [] },
    ])
  })
})

describe('publishRules of ports that are routed to', () => {
  const short = (...parts: Partial<PublishedPort>[]) =>
    publishRules(
      parts.map((part) => ({ ...port, via: 'route', ...part })),
      target,
    ).map(({ hostAddress, hostInterface, hostPort, port: first, count, sources }) =>
      [hostAddress, hostInterface, hostPort, first, count, ...sources].join(' '),
    )

  it('open each port of the container once, whatever host ports were asked for', () => {
    expect(short({}, { hostPort: 8081 }, { hostAddress: '192.0.2.1', hostPort: 0 })).toEqual(['  0 80 1'])
    expect(
      short({ count: 10 }, { containerPort: 85 }, { sources: ['10.0.0.0/8'], containerPort: 89, count: 2 }),
    ).toEqual(['  0 80 5', '  0 85 1', '  0 86 3', '  0 89 1', '  0 90 1 10.0.0.0/8'])
  })

  it('are kept apart by the interface that they are for', () => {
    expect(short({ hostInterface: 'eth1', sources: ['10.0.0.0/8'] }, { hostPort: 1 })).toEqual([
      ' eth1 0 80 1 10.0.0.0/8',
      '  0 80 1',
    ])
  })
})

describe('trustedRules', () => {
  const short = (ports: readonly PublishedPort[], names = ['vpn0']) =>
    trustedRules(ports, target, names).map(
      ({ mode, hostInterface, address, protocol, port, count, sources }) =>
        [mode, hostInterface, address, protocol, port, count, ...sources].join(' '),
    )

  it('opens the container’s own port to each interface, whatever host port was chosen', () => {
    expect(short([port, { ...port, hostAddress: '::', hostPort: 32_768 }], ['vpn0', 'vpn1'])).toEqual([
      'route vpn0 172.18.0.2 tcp 80 1',
      'route vpn0 fd00::2 tcp 80 1',
      'route vpn1 172.18.0.2 tcp 80 1',
      'route vpn1 fd00::2 tcp 80 1',
    ])
  })

  it('opens it to whichever interface, where none is named, but for what is published at one', () => {
    const ports = [port, { ...port, hostInterface: 'eth1', containerPort: 81 }]
    expect(short(ports, ['', 'eth1'])).toEqual([
      'route  172.18.0.2 tcp 80 1',
      'route eth1 172.18.0.2 tcp 80 1',
      'route eth1 172.18.0.2 tcp 81 1',
    ])
  })

  it('leaves closed what is for the host alone, for another interface, proxied, or routed anyway', () => {
    const ports: Partial<PublishedPort>[] = [
      { hostAddress: '127.0.0.1' },
      { hostAddress: '::1' },
      { hostInterface: 'eth1' },
      { via: 'proxy' },
      { via: 'route' },
    ]
    expect(short(ports.map((part) => ({ ...port, ...part })))).toEqual([])
    expect(short([{ ...port, hostInterface: 'vpn0' }])).toEqual(['route vpn0 172.18.0.2 tcp 80 1'])
  })

  it('names each port once, for all whom one of its bindings lets in', () => {
    const ports: Partial<PublishedPort>[] = [
      { count: 10, sources: ['10.0.0.0/8'] },
      { containerPort: 83, count: 3, sources: ['10.1.0.0/16', '192.168.0.0/16'] },
      { containerPort: 85, hostPort: 9000 },
      { containerPort: 85, hostPort: 53, protocol: 'udp' },
    ]
    expect(short(ports.map((part) => ({ ...port, ...part })))).toEqual([
      'route vpn0 172.18.0.2 tcp 80 3 10.0.0.0/8',
      'route vpn0 172.18.0.2 tcp 83 2 10.0.0.0/8 192.168.0.0/16',
      'route vpn0 172.18.0.2 tcp 85 1',
      'route vpn0 172.18.0.2 tcp 86 4 10.0.0.0/8',
      'route vpn0 172.18.0.2 udp 85 1',
    ])
  })
})
