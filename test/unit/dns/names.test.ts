import { beforeEach, describe, expect, test } from 'vitest'
import { NameRegistry } from '../../../src/dns/names.ts'
import { addressOfReverseName } from '../../../src/dns/reverse-name.ts'
import type { EndpointId, NetworkId } from '../../../src/values/id.ts'

const [front, back] = ['front-id', 'back-id'] as NetworkId[] as [NetworkId, NetworkId]
const [web, db, spare] = ['e1', 'e2', 'e3'] as EndpointId[] as [EndpointId, EndpointId, EndpointId]

let names: NameRegistry
beforeEach(() => {
  names = new NameRegistry()
  names.setEndpoint(front, 'Front', web, { names: ['web', 'Www'], addresses: ['10.1.0.2', 'FD00:1::2'] })
  names.setEndpoint(back, 'back.net', db, { names: ['db'], addresses: ['10.2.0.2'] })
})

describe('looking up', () => {
  test.each(['web', 'WEB', 'www', 'web.front', 'Web.FRONT'])('%s is found', (name) => {
    expect(names.lookup([front], name)).toEqual({ ipv4: ['10.1.0.2'], ipv6: ['fd00:1::2'] })
  })

  test('a network’s name may have dots', () => {
    expect(names.lookup([back], 'db.back.net')).toEqual({ ipv4: ['10.2.0.2'], ipv6: [] })
  })

  test.each(['db', 'web.back.net', 'web.other', 'front', '.front', ''])(
    '%j is not known on the network',
    (name) => {
      expect(names.lookup([front], name)).toBeNull()
    },
  )

  test('a name of two networks is answered by the first, each family by the first that has it', () => {
    names.setEndpoint(back, 'back.net', spare, { names: ['web'], addresses: ['10.2.0.9', 'fd00:2::9'] })
    expect(names.lookup([back, front], 'web')).toEqual({ ipv4: ['10.2.0.9'], ipv6: ['fd00:2::9'] })
    names.setEndpoint(back, 'back.net', spare, { names: ['web'], addresses: ['10.2.0.9'] })
    expect(names.lookup([back, front], 'web')).toEqual({ ipv4: ['10.2.0.9'], ipv6: ['fd00:1::2'] })
  })

  test('an alias of several endpoints has all their addresses', () => {
    names.setEndpoint(front, 'Front', spare, { names: ['www'], addresses: ['10.1.0.3'] })
    expect(names.lookup([front], 'www')!.ipv4).toEqual(['10.1.0.2', '10.1.0.3'])
  })
})

describe('change', () => {
  test('setting an endpoint again replaces its names and addresses', () => {
    names.setEndpoint(front, 'Front', web, { names: ['site'], addresses: ['10.1.0.7'] })
    expect(names.lookup([front], 'web')).toBeNull()
    expect(names.lookup([front], 'site')!.ipv4).toEqual(['10.1.0.7'])
    expect(names.reverse([front], '10.1.0.2')).toBeNull()
  })

  test('removing it, also twice, leaves the other endpoints of an alias', () => {
    names.setEndpoint(front, 'Front', spare, { names: ['www'], addresses: ['10.1.0.3'] })
    names.removeEndpoint(front, web)
    names.removeEndpoint(front, web)
    expect(names.lookup([front], 'www')!.ipv4).toEqual(['10.1.0.3'])
    expect(names.lookup([front], 'web')).toBeNull()
  })

  test('an address that passed to another endpoint keeps its new name when the old one goes', () => {
    names.setEndpoint(front, 'Front', spare, { names: ['new'], addresses: ['10.1.0.2'] })
    names.removeEndpoint(front, web)
    expect(names.reverse([front], '10.1.0.2')).toBe('new.Front')
  })

  test('a refused address leaves what was known', () => {
    expect(() =>
      names.setEndpoint(front, 'Front', web, { names: ['x'], addresses: ['10.1.0.2/24'] }),
    ).toThrow(/invalid IP/)
    expect(names.lookup([front], 'web')).not.toBeNull()
  })
})

describe('reverse', () => {
  test('the first name answers with its network, in either family and any spelling', () => {
    expect(names.reverse([back, front], '10.1.0.2')).toBe('web.Front')
    expect(names.reverse([front], 'fd00:1:0::2')).toBe('web.Front')
  })

  test('a name too long to be asked for does not answer', () => {
    const long = 'x'.repeat(64)
    names.setEndpoint(front, 'Front', spare, { names: [long, 'short-id'], addresses: ['10.1.0.3'] })
    expect(names.reverse([front], '10.1.0.3')).toBe('short-id.Front')
  })

  test('an address on a network that the sandbox is not on stays unknown', () => {
    expect(names.reverse([front], '10.2.0.2')).toBeNull()
  })

  test.each([
    ['2.0.1.10.in-addr.arpa', '10.1.0.2'],
    [`${'2.0.0.0.'.repeat(1)}${'0.'.repeat(20)}1.0.0.0.0.0.d.f.ip6.arpa`, 'fd00:1::2'],
    ['0.1.10.in-addr.arpa', null],
    ['256.0.1.10.in-addr.arpa', null],
    ['x.ip6.arpa', null],
    ['web', null],
  ])('%s stands for %s', (name, address) => {
    expect(addressOfReverseName(name)).toBe(address)
  })
})
