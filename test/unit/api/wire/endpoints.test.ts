import { describe, expect, test } from 'vitest'
import { toEndpointRequest, toEndpointState } from '../../../../src/api/wire/endpoints.ts'
import { noRequest } from '../../../../src/engine/plan.ts'
import type { EndpointRecord } from '../../../../src/store/records.ts'

describe('wanted settings', () => {
  test('may be missing', () => {
    expect(toEndpointRequest(null)).toEqual(noRequest)
    expect(toEndpointRequest({ IPAMConfig: null, Aliases: null, MacAddress: '', GwPriority: 0 })).toEqual(
      noRequest,
    )
  })

  test('are addresses, names and options', () => {
    const settings = {
      IPAMConfig: { IPv4Address: '10.0.0.2', IPv6Address: 'fd00::2', LinkLocalIPs: ['FE80:0::1'] },
      Aliases: ['db', 'sql'],
      Links: ['web:front'],
      GwPriority: 5,
      MacAddress: '02:00:00:AA:BB:CC',
      DriverOpts: { a: 'b' },
    }
    expect(toEndpointRequest(settings)).toEqual({
      address4: '10.0.0.2',
      address6: 'fd00::2',
      mac: '02:00:00:aa:bb:cc',
      linkLocal: ['fe80::1'],
      aliases: ['db', 'sql'],
      links: ['web:front'],
      gatewayPriority: 5,
      options: { a: 'b' },
    })
  })

  test.each([
    [{ IPAMConfig: { IPv4Address: 'x' } }, 'invalid endpoint settings: invalid IPv4 address: x'],
    [{ IPAMConfig: { IPv4Address: 'fd00::1' } }, 'invalid endpoint settings: invalid IPv4 address: fd00::1'],
    [{ IPAMConfig: { IPv4Address: '0.0.0.0' } }, 'invalid endpoint settings: invalid IPv4 address: 0.0.0.0'],
    [
      { IPAMConfig: { IPv6Address: '10.0.0.1' } },
      'invalid endpoint settings: invalid IPv6 address: 10.0.0.1',
    ],
    [
      { IPAMConfig: { LinkLocalIPs: ['169.254.1'] } },
      'invalid endpoint settings: invalid link-local IP address: 169.254.1',
    ],
    [
      { IPAMConfig: { LinkLocalIPs: ['10.0.0.1'] } },
      'invalid endpoint settings: invalid link-local IP address: 10.0.0.1',
    ],
    [{ MacAddress: 'x' }, 'invalid MAC address: x'],
    [
      { MacAddress: '01:00:00:00:21:01' },
      expect.stringMatching(/^invalid MAC address: 01:00:00:00:21:01 is a multicast address/),
    ],
  ])('of %j are refused', (settings, message) => {
    expect(() => toEndpointRequest(settings)).toThrow(expect.objectContaining({ kind: 'invalid', message }))
  })
})

describe('an endpoint', () => {
  const endpoint: EndpointRecord = {
    id: 'e1' as EndpointRecord['id'],
    network: 'n1' as EndpointRecord['network'],
    networkName: 'net',
    request: {
      address4: '10.0.0.2',
      address6: null,
      mac: null,
      linkLocal: [],
      aliases: ['db'],
      links: [],
      gatewayPriority: 0,
      options: {},
    },
    interfaceName: 'eth0',
    mac: '02:00:00:00:00:02',
    address4: '10.0.0.2/24',
    address6: 'fd00::2/64',
    gateway4: '10.0.0.1',
    gateway6: 'fd00::1',
    dnsNames: ['web', '0123456789ab', 'db'],
  }

  test('of a running container has addresses', () => {
    expect(toEndpointState(endpoint, true)).toEqual({
      IPAMConfig: { IPv4Address: '10.0.0.2' },
      Links: null,
      Aliases: ['db'],
      MacAddress: '02:00:00:00:00:02',
      DriverOpts: null,
      GwPriority: 0,
      NetworkID: 'n1',
      EndpointID: 'e1',
      Gateway: '10.0.0.1',
      IPAddress: '10.0.0.2',
      IPPrefixLen: 24,
      IPv6Gateway: 'fd00::1',
      GlobalIPv6Address: 'fd00::2',
      GlobalIPv6PrefixLen: 64,
      DNSNames: ['web', '0123456789ab', 'db'],
    })
  })

  test('has no gateway where the link itself leads out', () => {
    const routed = { ...endpoint, gateway4: '0.0.0.0', gateway6: '::' }
    expect(toEndpointState(routed, true)).toMatchObject({ Gateway: '', IPv6Gateway: '' })
  })

  test('of a stopped one has none, though the record remembers them', () => {
    expect(toEndpointState(endpoint, false)).toMatchObject({
      NetworkID: 'n1',
      EndpointID: '',
      Gateway: '',
      IPAddress: '',
      IPPrefixLen: 0,
      GlobalIPv6Address: '',
      MacAddress: '',
    })
  })

  test('on the default network has no names, as nobody asks there', () => {
    expect(toEndpointState({ ...endpoint, networkName: 'bridge' }, true).DNSNames).toBeNull()
  })
})
