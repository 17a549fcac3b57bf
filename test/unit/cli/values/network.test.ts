import { describe, expect, test } from 'vitest'
import { checkMac, isUserDefined, parseIpFlag, parseNetwork } from '../../../../src/cli/values/network.ts'

describe('parseNetwork', () => {
  test('reads a name alone', () => {
    expect(parseNetwork('mynet')).toMatchObject({ name: 'mynet', aliases: [], ip: '' })
    expect(parseNetwork('container:web').name).toBe('container:web')
  })

  test('reads the long form', () => {
    const text =
      'name=mynet,alias=a,alias=b,ip=10.0.0.5,ip6=fd00::5,mac-address=02:00:00:00:00:01,gw-priority=-2,driver-opt=k=v'
    expect(parseNetwork(text)).toEqual({
      name: 'mynet',
      aliases: ['a', 'b'],
      ip: '10.0.0.5',
      ip6: 'fd00::5',
      mac: '02:00:00:00:00:01',
      links: [],
      linkLocal: [],
      driverOptions: { k: 'v' },
      gatewayPriority: -2,
    })
  })

  test.each([
    ['alias=a', 'network name/id is not specified'],
    ['name=a,nope=b', 'invalid field key nope'],
    ['name=a,b', 'invalid field b'],
    ['name=a,ip=1.2.3', 'ParseAddr("1.2.3"): unable to parse IP'],
    ['name=a,gw-priority=x', 'invalid gw-priority (x): invalid syntax'],
  ])('refuses %j', (text, message) => {
    expect(() => parseNetwork(text)).toThrow(message)
  })
})

test.each([
  ['mynet', true],
  ['bridge', false],
  ['default', false],
  ['host', false],
  ['none', false],
  ['container:x', false],
])('whether %s is the user’s own is %s', (name, expected) => {
  expect(isUserDefined(name)).toBe(expected)
})

test('an address is checked', () => {
  expect(parseIpFlag(' fd00::1 ')).toBe('fd00::1')
  expect(() => parseIpFlag('x')).toThrow('failed to parse IP: "x"')
})

test.each(['02:42:ac:11:00:02', '02-42-AC-11-00-02', '0242.ac11.0002', '02:00:5e:10:00:00:00:01'])(
  '%s is a hardware address',
  (text) => {
    expect(() => checkMac(text)).not.toThrow()
  },
)

test.each(['02:42:ac:11:00', '02:42-ac:11:00:02', 'zz:42:ac:11:00:02', ''])('%j is none', (text) => {
  expect(() => checkMac(text)).toThrow(`${text} is not a valid mac address`)
})
