import { describe, expect, test } from 'vitest'
import { parseBridgeOptions } from '../../../src/drivers/bridge/options.ts'

const parse = (options: Record<string, string>) => parseBridgeOptions({ name: 'mynet', options })

describe('bridge options', () => {
  test('without any, containers see each other, the outside is reached by masquerading, and the MTU is that of the way out', () => {
    expect(parse({})).toEqual({
      bridgeName: '',
      interContainer: true,
      masquerade: true,
      hostBinding4: '',
      mtu: 0,
      interfacePrefix: 'eth',
      inhibit4: false,
    })
  })

  test('each of Docker’s names sets its own value', () => {
    expect(
      parse({
        'com.docker.network.bridge.name': 'br-mine',
        'com.docker.network.bridge.enable_icc': 'false',
        'com.docker.network.bridge.enable_ip_masquerade': '0',
        'com.docker.network.bridge.host_binding_ipv4': '127.0.0.1',
        'com.docker.network.bridge.inhibit_ipv4': 'TRUE',
        'com.docker.network.driver.mtu': '1400',
        'com.docker.network.container_iface_prefix': 'net',
      }),
    ).toEqual({
      bridgeName: 'br-mine',
      interContainer: false,
      masquerade: false,
      hostBinding4: '127.0.0.1',
      mtu: 1400,
      interfacePrefix: 'net',
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
    ['com.docker.network.bridge.host_binding_ipv4', '::1', '"::1" is not an IPv4 address'],
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
