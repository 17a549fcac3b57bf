import { describe, expect, test } from 'vitest'
import { assignAddresses, checkAuxiliary } from '../../../../src/cli/values/ipam.ts'

const flags = { subnets: [] as string[], ranges: [] as string[], gateways: [] as string[], auxiliary: {} }

describe('assignAddresses', () => {
  test('leaves the choice to the daemon when nothing is given', () => {
    expect(assignAddresses(flags)).toEqual([])
  })

  test('puts each address to the subnet that holds it', () => {
    const given = {
      subnets: ['10.1.0.0/16', 'fd00::/64'],
      ranges: ['10.1.2.0/24'],
      gateways: ['fd00::1', '10.1.0.1'],
      auxiliary: { router: '10.1.0.9' },
    }
    expect(assignAddresses(given)).toEqual([
      {
        Subnet: '10.1.0.0/16',
        IPRange: '10.1.2.0/24',
        Gateway: '10.1.0.1',
        AuxiliaryAddresses: { router: '10.1.0.9' },
      },
      { Subnet: 'fd00::/64', Gateway: 'fd00::1' },
    ])
  })

  test.each([
    [{ gateways: ['10.1.0.1'] }, 'every ip-range or gateway must have a corresponding subnet'],
    [
      { subnets: ['10.1.0.0/16', '10.1.5.0/24'] },
      'multiple overlapping subnet configuration is not supported',
    ],
    [{ subnets: ['10.1.0.0/16'], gateways: ['10.2.0.1'] }, 'no matching subnet for gateway 10.2.0.1'],
    [{ subnets: ['10.1.0.0/16'], ranges: ['10.2.0.0/24'] }, 'no matching subnet for range 10.2.0.0/24'],
    [
      { subnets: ['10.1.0.0/16'], auxiliary: { a: '10.2.0.1' } },
      'no matching subnet for aux-address 10.2.0.1',
    ],
    [
      { subnets: ['10.1.0.0/16', '10.2.0.0/16'], gateways: ['10.1.0.1', '10.1.0.2'] },
      'cannot configure multiple gateways (10.1.0.2, 10.1.0.1) for the same subnet (10.1.0.0/16)',
    ],
    [
      { subnets: ['10.1.0.0/16', '10.2.0.0/16'], ranges: ['10.1.1.0/24', '10.1.2.0/24'] },
      'cannot configure multiple ranges (10.1.2.0/24, 10.1.1.0/24) on the same subnet (10.1.0.0/16)',
    ],
    [{ subnets: ['10.1.0.0'], gateways: ['10.1.0.1'] }, 'invalid subnet: invalid CIDR address: 10.1.0.0'],
  ])('refuses %j', (given, message) => {
    expect(() => assignAddresses({ ...flags, ...given })).toThrow(message)
  })
})

describe('an auxiliary address', () => {
  test('has a name, in either family', () => {
    expect(() => checkAuxiliary('router=10.1.0.9')).not.toThrow()
    expect(() => checkAuxiliary('router=fd00::9')).not.toThrow()
  })

  test.each([
    ['10.1.0.9', 'wanted is a name with an IP address, such as router=10.1.0.9'],
    ['=10.1.0.9', 'wanted is a name with an IP address, such as router=10.0.0.5'],
    ['router', 'such as router=10.0.0.5'],
    ['router=', 'such as router=10.0.0.5'],
    ['router=10.1.0', 'such as router=10.0.0.5'],
  ])('is not %j', (pair, message) => {
    expect(() => checkAuxiliary(pair)).toThrow(message)
  })
})
