import { expect, test } from 'vitest'
import { parseOverlayOptions, vniOption } from '../../../src/drivers/overlay/options.ts'

const parse = (options: Record<string, string>, internal = false) =>
  parseOverlayOptions({ name: 'mesh', options, internal })

test('a network has no number before it is given one, and is otherwise as one on a bridge', () => {
  expect(parse({})).toMatchObject({ vni: 0, interContainer: true, masquerade: true, mtu: 0 })
  expect(parse({ 'com.docker.network.bridge.enable_icc': 'false' }).interContainer).toBe(false)
})

test.each([
  ['', true],
  ['true', true],
  ['1', true],
  ['false', false],
])('encrypted=%s means %s, as docker’s option without a value is meant', (value, encrypted) => {
  expect(parse({ encrypted: value }).encrypted).toBe(encrypted)
  expect(parse({}).encrypted).toBe(false)
  expect(() => parse({ encrypted: 'maybe' })).toThrow('option encrypted: "maybe" is not true or false')
})

test('of several numbers, one for each subnet as with Docker, the first is that of all', () => {
  expect(parse({ [vniOption]: '4100' }).vni).toBe(4100)
  expect(parse({ [vniOption]: '4100,4101' }).vni).toBe(4100)
})

test.each(['', '0', 'x', '16777216', '4100,', '-1', '4100,x'])('%j is no number', (value) => {
  expect(() => parse({ [vniOption]: value })).toThrow(
    `network mesh: option ${vniOption}: ${JSON.stringify(value)} is not a VXLAN number`,
  )
})

test('what is a single host’s, or unknown, is refused by its name', () => {
  for (const name of ['com.docker.network.bridge.name', 'com.docker.network.host_ipv4', 'colour'])
    expect(() => parse({ [name]: '192.0.2.1' })).toThrow(`the overlay driver has no option ${name}`)
  expect(() => parse({ 'com.docker.network.bridge.gateway_mode_ipv4': 'isolated' })).toThrow('--internal')
})
