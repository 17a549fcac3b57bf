/** Whatever a network plugin answers is understood, or refused in the driver's name. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readInterface, readJoin } from '../../../src/drivers/remote/messages.ts'
import { TsnetError } from '../../../src/errors.ts'
import type { PluginAnswer } from '../../../src/plugins/plugin.ts'

const given = { mac: '', address4: '', address6: '' }

/** Objects with the protocol's fields, in which anything is. */
const answers = (...fields: string[]): fc.Arbitrary<PluginAnswer> =>
  fc.record(Object.fromEntries(fields.map((field) => [field, fc.jsonValue()])), { requiredKeys: [] })

function understood(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (error) {
    if (error instanceof TsnetError && /^driver rex: its answer to .* is wrong: /.test(error.message))
      return false
    throw error
  }
}

describe('what a network plugin answers', () => {
  it('is understood or refused, whatever it is', () => {
    const route = answers('Destination', 'RouteType', 'NextHop')
    const inner = answers('Address', 'AddressIPv6', 'MacAddress', 'SrcName', 'DstName', 'DstPrefix')
    const answer = fc.oneof(
      answers('Interface', 'InterfaceName', 'Gateway', 'GatewayIPv6', 'StaticRoutes'),
      fc.record({
        Interface: inner,
        InterfaceName: inner,
        StaticRoutes: fc.array(fc.oneof(route, fc.jsonValue())),
      }),
    )
    fc.assert(
      fc.property(answer, (one) => {
        understood(() => readJoin('rex', one))
        understood(() => readInterface('rex', one, given))
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    [{ Gateway: 'nowhere' }],
    [{ GatewayIPv6: 'nowhere' }],
    [{ StaticRoutes: [null] }],
    [{ StaticRoutes: [{ Destination: '10.0.0.0/8', RouteType: 0, NextHop: 'x' }] }],
    [{ StaticRoutes: [{ Destination: 5, RouteType: 1 }] }],
  ])('at a join is refused where it is %j', (answer) => {
    expect(understood(() => readJoin('rex', answer))).toBe(false)
  })

  it('is refused where it is another address than was given', () => {
    const known = { ...given, address4: '10.1.0.2/24' }
    expect(understood(() => readInterface('rex', { Interface: { Address: '10.1.0.3/24' } }, known))).toBe(
      false,
    )
    expect(readInterface('rex', { Interface: { MacAddress: '02:00:00:00:00:01' } }, known)).toEqual({
      ...known,
      mac: '02:00:00:00:00:01',
    })
  })
})
