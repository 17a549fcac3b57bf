import { describe, expect, test } from 'vitest'
import { parseBridgeOptions } from '../../../src/drivers/bridge/options.ts'
import { gatewayOf } from '../../../src/drivers/bridging/options.ts'
import { hostBindingsOf } from '../../../src/drivers/network-options.ts'

const parse = (options: Record<string, string>, internal = false) =>
  parseBridgeOptions({ name: 'mynet', options, internal })

describe('bridge options', () => {
  test('without any, containers see each other, the outside is reached by masquerading, and the MTU is that of the way out', () => {
    expect(parse({})).toEqual({
      bridgeName: '',
      interContainer: true,
      masquerade: true,
      gatewayMode4: 'nat',
      gatewayMode6: 'nat',
      snatAddress4: '',
      snatAddress6: '',
      hostBinding4: '',
      hostBinding6: '',
      trusted: [],
      mtu: 0,
      interfacePrefix: 'eth',
      announcements: 3,
      announcementInterval: 1000,
      inhibit4: false,
    })
  })

  test('each of Docker’s names sets its own value', () => {
    expect(
      parse({
        'com.docker.network.bridge.name': 'br-mine',
        'com.docker.network.bridge.enable_icc': 'false',
        'com.docker.network.bridge.enable_ip_masquerade': '0',
        'com.docker.network.bridge.gateway_mode_ipv4': 'routed',
        'com.docker.network.bridge.gateway_mode_ipv6': 'nat-unprotected',
        'com.docker.network.host_ipv4': '192.0.2.7',
        'com.docker.network.host_ipv6': '2001:db8::7',
        'com.docker.network.bridge.host_binding_ipv4': '127.0.0.1',
        'com.docker.network.bridge.host_binding_ipv6': '::1',
        'com.docker.network.bridge.trusted_host_interfaces': 'vxlan0:eth1',
        'com.docker.network.advertise_addr_nmsgs': '0',
        'com.docker.network.advertise_addr_ms': '100',
        'com.docker.network.bridge.inhibit_ipv4': 'TRUE',
        'com.docker.network.driver.mtu': '1400',
        'com.docker.network.container_iface_prefix': 'net',
      }),
    ).toEqual({
      bridgeName: 'br-mine',
      interContainer: false,
      masquerade: false,
      gatewayMode4: 'routed',
      gatewayMode6: 'nat-unprotected',
      snatAddress4: '192.0.2.7',
      snatAddress6: '2001:db8::7',
      hostBinding4: '127.0.0.1',
      hostBinding6: '::1',
      trusted: ['vxlan0', 'eth1'],
      mtu: 1400,
      interfacePrefix: 'net',
      announcements: 0,
      announcementInterval: 100,
      inhibit4: true,
    })
  })

  test('an unknown key is refused with the known ones', () => {
    expect(() => parse({ 'com.docker.network.bridge.colour': 'blue' })).toThrow(
      /^network mynet: the bridge driver has no option com\.docker\.network\.bridge\.colour, it knows com\.docker\.network\.bridge\.name, /,
    )
    expect(() => parse({ toString: 'x' })).toThrow(/has no option toString/)
  })

  test.each([
    ['com.docker.network.bridge.enable_icc', 'maybe', '"maybe" is not true or false'],
    [
      'com.docker.network.bridge.name',
      'a-name-of-16-byte',
      'interface name "a-name-of-16-byte" is 17 bytes long',
    ],
    ['com.docker.network.bridge.host_binding_ipv4', 'nonsense', '"nonsense" is not an IP address'],
    ['com.docker.network.bridge.host_binding_ipv6', '127.0.0.1', '"127.0.0.1" is not an IPv6 address'],
    ['com.docker.network.host_ipv4', '::1', '"::1" is not an IPv4 address'],
    ['com.docker.network.host_ipv6', '10.0.0.1', '"10.0.0.1" is not an IPv6 address'],
    [
      'com.docker.network.bridge.gateway_mode_ipv4',
      'open',
      'unknown gateway mode open, wanted is one of nat',
    ],
    ['com.docker.network.bridge.trusted_host_interfaces', 'eth0:a b', 'interface name "a b"'],
    ['com.docker.network.advertise_addr_nmsgs', '4', 'must be a number in the range 0 to 3'],
    ['com.docker.network.advertise_addr_ms', '99', 'must be a number in the range 100 to 2000'],
    ['com.docker.network.advertise_addr_ms', '1s', '"1s" must be a number'],
    ['com.docker.network.driver.mtu', '1e3', '"1e3" is not an MTU'],
    ['com.docker.network.driver.mtu', '67', 'from 68 to 65535'],
    ['com.docker.network.driver.mtu', '-1', 'from 68 to 65535'],
    ['com.docker.network.container_iface_prefix', 'lo', '"lo" cannot begin an interface name'],
    ['com.docker.network.container_iface_prefix', 'twelve-bytes', 'wanted are 1 to 11 bytes'],
    ['com.docker.network.container_iface_prefix', '', 'interface name ""'],
  ])('%s refuses %j', (name, value, text) => {
    expect(() => parse({ [name]: value })).toThrow(
      expect.objectContaining({
        kind: 'invalid',
        message: expect.stringContaining(`network mynet: option ${name}: `),
      }),
    )
    expect(() => parse({ [name]: value })).toThrow(text)
  })
})

describe('the mode isolated', () => {
  test.each(['4', '6'])('of IPv%s is had by internal networks alone', (family) => {
    const options = { [`com.docker.network.bridge.gateway_mode_ipv${family}`]: 'isolated' }
    expect(() => parse(options)).toThrow(
      "network mynet: gateway mode 'isolated' can only be used for an internal network: give --internal",
    )
    expect(parse(options, true)).toMatchObject({ [`gatewayMode${family}`]: 'isolated' })
  })
})

describe('the gateway', () => {
  const pool = { subnet: '10.1.0.0/24', range: '', gateway: '10.1.0.1', auxiliary: {} }

  test('is the bridge’s own unless an auxiliary address of the family has the special name', () => {
    const other = { DefaultGatewayIPv4: '10.1.0.254', DefaultGatewayIPv6: 'fd00::9' }
    expect(gatewayOf({ internal: false }, pool)).toBe('10.1.0.1')
    expect(gatewayOf({ internal: false }, { ...pool, auxiliary: other })).toBe('10.1.0.254')
    expect(gatewayOf({ internal: false }, { ...pool, subnet: 'fd00::/64', auxiliary: other })).toBe('fd00::9')
  })

  test('of an internal network is none', () => {
    expect(gatewayOf({ internal: true }, { ...pool, auxiliary: { DefaultGatewayIPv4: '10.1.0.254' } })).toBe(
      '',
    )
  })
})

describe('ports without a host address', () => {
  const key = 'com.docker.network.bridge.host_binding_ipv'
  test.each([
    [{}, ['']],
    [{ [`${key}4`]: '127.0.0.1' }, ['127.0.0.1']],
    [{ [`${key}6`]: '::1' }, ['::1']],
    [{ [`${key}4`]: '127.0.0.1', [`${key}6`]: '::1' }, ['127.0.0.1', '::1']],
    [{ [`${key}4`]: '0.0.0.0' }, ['']],
    [{ [`${key}4`]: '0.0.0.0', [`${key}6`]: '::1' }, ['0.0.0.0', '::1']],
    [{ [`${key}4`]: '::' }, ['::']],
  ])('with %j are published on %j', (options: Record<string, string>, addresses) => {
    expect(hostBindingsOf({ options })).toEqual(addresses)
  })
})
