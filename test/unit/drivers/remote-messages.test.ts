import { describe, expect, test } from 'vitest'
import { portOptions, readInterface, readJoin } from '../../../src/drivers/remote/messages.ts'
import type { PortBinding } from '../../../src/store/records.ts'

const given = { mac: '', address4: '10.1.0.2/24', address6: '' }

describe('what a plugin says of an interface', () => {
  test('counts where nothing was given, and may repeat what was', () => {
    const told = { MacAddress: '02:00:00:00:00:01', Address: '10.1.0.2/24', AddressIPv6: 'fd00::2/64' }
    expect(readInterface('rex', { Interface: told }, given)).toEqual({
      mac: '02:00:00:00:00:01',
      address4: '10.1.0.2/24',
      address6: 'fd00::2/64',
    })
    expect(readInterface('rex', { Interface: null }, given)).toEqual(given)
  })

  test.each([
    [{ Address: '10.9.0.9/24' }, 'Address "10.9.0.9/24" is not 10.1.0.2/24, which was given'],
    [{ MacAddress: 'mine' }, 'MacAddress "mine" is none'],
    [{ AddressIPv6: 7 }, 'AddressIPv6 7 is none'],
  ])('is refused where it is %j', (told, why) => {
    expect(() => readInterface('rex', { Interface: told }, given)).toThrow(
      `driver rex: its answer to NetworkDriver.CreateEndpoint is wrong: ${why}`,
    )
  })
})

describe('what a plugin says to a join', () => {
  test('has routes on the link before those that lead through them', () => {
    const joined = readJoin('rex', {
      InterfaceName: { SrcName: 'a', DstPrefix: 'eth' },
      Gateway: '10.1.0.1',
      StaticRoutes: [
        { Destination: '10.9.0.0/16', RouteType: 0, NextHop: '10.8.0.1' },
        { Destination: '10.8.0.0/16', RouteType: 1 },
      ],
    })
    expect(joined).toEqual({
      source: 'a',
      name: '',
      prefix: 'eth',
      gateway4: '10.1.0.1',
      gateway6: '',
      routes: [
        { destination: '10.8.0.0/16', nextHop: '' },
        { destination: '10.9.0.0/16', nextHop: '10.8.0.1' },
      ],
    })
  })

  test.each([
    [{ Gateway: 'near' }, /Gateway "near" is no address$/],
    [{ StaticRoutes: [{ Destination: 'all', RouteType: 1 }] }, /"Destination":"all".* is no route$/],
    [{ StaticRoutes: [{ Destination: '10.0.0.0/8', RouteType: 0 }] }, /is no route$/],
  ])('is refused where it is %j', (answer, why) => {
    expect(() => readJoin('rex', answer)).toThrow(why)
  })
})

test('ranges of ports are told one by one, those without a host port as 0', () => {
  const port: PortBinding = {
    protocol: 'udp',
    containerPort: 53,
    hostAddress: '127.0.0.1',
    hostInterface: '',
    sources: [],
    hostPolicy: '',
    hostPort: 5300,
    hostPortEnd: 5301,
    count: 2,
  }
  const told = { Proto: 17, IP: '', HostIP: '127.0.0.1' }
  expect(portOptions([port, { ...port, protocol: 'tcp', hostPort: 0, hostPortEnd: 0, count: 1 }])).toEqual({
    'com.docker.network.portmap': [
      { ...told, Port: 53, HostPort: 5300, HostPortEnd: 5301 },
      { ...told, Port: 54, HostPort: 5301, HostPortEnd: 5301 },
      { ...told, Proto: 6, Port: 53, HostPort: 0, HostPortEnd: 0 },
    ],
    'com.docker.network.endpoint.exposedports': [
      { Proto: 17, Port: 53 },
      { Proto: 17, Port: 54 },
      { Proto: 6, Port: 53 },
    ],
  })
})
