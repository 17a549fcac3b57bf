import { describe, expect, test } from 'vitest'
import {
  gatewayOf,
  type Kind,
  linkKindOf,
  parseMacvlanOptions,
} from '../../../../src/drivers/macvlan/options.ts'
import { ipvlan } from '../../../../src/netlink/kinds/ipvlan.ts'
import { macvlan } from '../../../../src/netlink/kinds/macvlan.ts'

const parse = (kind: Kind, options: Record<string, string>) =>
  parseMacvlanOptions(kind, { name: 'mine', options })

describe('options', () => {
  test('have Docker’s defaults', () => {
    expect(parse('macvlan', {})).toMatchObject({ parent: '', mode: 'bridge', hostAccess: false, mtu: 0 })
    expect(parse('ipvlan', {})).toMatchObject({ parent: '', mode: 'l2', flag: 'bridge' })
    expect(parse('macvlan', { macvlan_mode: '' }).mode).toBe('bridge')
    expect(parse('ipvlan', { ipvlan_mode: '', ipvlan_flag: '' })).toMatchObject({
      mode: 'l2',
      flag: 'bridge',
    })
  })

  test('are all understood', () => {
    const given = { parent: 'eth0.10', 'host-access': 'true', 'com.docker.network.driver.mtu': '1400' }
    const common = { parent: 'eth0.10', hostAccess: true, mtu: 1400 }
    expect(parse('macvlan', { ...given, macvlan_mode: 'bridge' })).toMatchObject(common)
    expect(parse('ipvlan', { ...given, ipvlan_mode: 'l3s', ipvlan_flag: 'bridge' })).toMatchObject({
      ...common,
      mode: 'l3s',
    })
  })

  test.each([
    [
      'macvlan',
      { macvlan_mode: 'foo' },
      "requested macvlan mode 'foo' is not valid, 'bridge' mode is the macvlan driver default",
    ],
    [
      'ipvlan',
      { ipvlan_mode: 'l4' },
      "requested ipvlan mode 'l4' is not valid, 'l2' mode is the ipvlan driver default",
    ],
    [
      'ipvlan',
      { ipvlan_flag: 'foo' },
      "requested ipvlan flag 'foo' is not valid, 'bridge' is the ipvlan driver default",
    ],
    ['macvlan', { parent: 'lo' }, 'loopback interface is not a valid macvlan parent link'],
    ['ipvlan', { parent: 'lo' }, 'loopback interface is not a valid ipvlan parent link'],
    ['macvlan', { parent: 'a name' }, 'interface name "a name" is not allowed'],
    [
      'macvlan',
      { ipvlan_mode: 'l2' },
      'the macvlan driver has no option ipvlan_mode, it knows macvlan_mode, parent',
    ],
    [
      'ipvlan',
      { macvlan_mode: 'bridge' },
      'the ipvlan driver has no option macvlan_mode, it knows ipvlan_mode',
    ],
    ['macvlan', { 'host-access': 'maybe' }, 'option host-access: "maybe" is not true or false'],
    ['macvlan', { 'host-access': 'true', macvlan_mode: 'vepa' }, 'host-access needs macvlan mode bridge'],
    ['ipvlan', { 'host-access': 'true', ipvlan_flag: 'private' }, 'host-access needs ipvlan flag bridge'],
  ] as const)('of %s are refused: %j', (kind, options, message) => {
    expect(() => parse(kind, options)).toThrow(
      expect.objectContaining({ kind: 'invalid', message: expect.stringContaining(message) }),
    )
  })

  test('make the kind of link that they say', () => {
    expect(linkKindOf('macvlan', parse('macvlan', { macvlan_mode: 'passthru' }))).toEqual(macvlan('passthru'))
    const options = { ipvlan_mode: 'l3', ipvlan_flag: 'vepa' }
    expect(linkKindOf('ipvlan', parse('ipvlan', options))).toEqual(ipvlan('l3', 'vepa'))
  })
})

describe('the gateway', () => {
  const pool = { subnet: '10.0.0.0/24', range: '', gateway: '10.0.0.1', auxiliary: {} }
  const pool6 = { subnet: 'fd00::/64', range: '', gateway: 'fd00::1', auxiliary: {} }
  const network = { name: 'mine', internal: false, options: { parent: 'eth0' } }
  const routed = { ...network, options: { parent: 'eth0', ipvlan_mode: 'l3s' } }

  test('is the pool’s, or the auxiliary address of Docker’s special name', () => {
    expect([gatewayOf('macvlan', network, pool), gatewayOf('ipvlan', network, pool6)]).toEqual([
      '10.0.0.1',
      'fd00::1',
    ])
    expect(gatewayOf('macvlan', network, { ...pool, gateway: '' })).toBe('')
    const auxiliary = { DefaultGatewayIPv4: '10.0.0.7' }
    expect(gatewayOf('macvlan', network, { ...pool, auxiliary })).toBe('10.0.0.7')
  })

  test('is the link itself in ipvlan’s modes of layer 3', () => {
    expect([gatewayOf('ipvlan', routed, pool), gatewayOf('ipvlan', routed, pool6)]).toEqual(['0.0.0.0', '::'])
  })

  test('is none on an internal network, and none without a parent', () => {
    for (const part of [{ internal: true }, { options: {} }]) {
      expect(gatewayOf('macvlan', { ...network, ...part }, pool)).toBe('')
      expect(gatewayOf('ipvlan', { ...network, ...part }, pool6)).toBe('')
    }
    expect(gatewayOf('ipvlan', { ...routed, internal: true }, pool)).toBe('')
  })
})
