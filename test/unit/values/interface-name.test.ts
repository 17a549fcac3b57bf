import { expect, test } from 'vitest'
import { type EndpointId, type NetworkId, newId } from '../../../src/values/id.ts'
import { bridgeName, checkInterfaceName, hostVethName } from '../../../src/values/interface-name.ts'

test('derived names fit into IFNAMSIZ and are taken by the kernel', () => {
  const veth = hostVethName(newId<EndpointId>())
  const bridge = bridgeName(newId<NetworkId>())
  expect(checkInterfaceName(veth)).toMatch(/^veth[0-9a-f]{11}$/)
  expect(checkInterfaceName(bridge)).toMatch(/^br-[0-9a-f]{12}$/)
})

test('a name of 15 bytes is allowed and one of 16 is not, counted in bytes', () => {
  expect(checkInterfaceName('a'.repeat(15))).toHaveLength(15)
  expect(() => checkInterfaceName('a'.repeat(16))).toThrow(/is 16 bytes long, allowed are 1 to 15/)
  expect(() => checkInterfaceName('ä'.repeat(8))).toThrow(/is 16 bytes long/)
})

test.each(['', '.', '..', 'a/b', 'a b', 'a:b', 'eth%d', 'a\0b', 'a\tb'])('%j is refused', (name) => {
  expect(() => checkInterfaceName(name)).toThrow(/interface name/)
})
