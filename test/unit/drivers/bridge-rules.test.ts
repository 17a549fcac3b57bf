import { expect, test } from 'vitest'
import { parseBridgeOptions } from '../../../src/drivers/bridge/options.ts'
import { bridgeRules } from '../../../src/drivers/bridging/rules.ts'
import type { NetworkRecord } from '../../../src/store/records.ts'

const pool = (subnet: string) => ({ subnet, range: '', gateway: '', auxiliary: {} })

function rules(part: Partial<NetworkRecord>) {
  const network = {
    id: 'abc',
    name: 'n',
    internal: false,
    options: {},
    pools: [],
    ...part,
  } as unknown as NetworkRecord
  return bridgeRules(network, parseBridgeOptions(network), { name: 'br-abc', clampMss: false })
}

test('each subnet has a rule of its own family', () => {
  expect(rules({ pools: [pool('10.1.0.0/24'), pool('fd00::/64')] })).toEqual([
    {
      kind: 'bridge',
      owner: 'abc',
      family: 4,
      interface: 'br-abc',
      subnet: '10.1.0.0/24',
      internal: false,
      mode: 'nat',
      masquerade: true,
      snatAddress: '',
      clampMss: false,
    },
    {
      kind: 'bridge',
      owner: 'abc',
      family: 6,
      interface: 'br-abc',
      subnet: 'fd00::/64',
      internal: false,
      mode: 'nat',
      masquerade: true,
      snatAddress: '',
      clampMss: false,
    },
  ])
})

test('what never leaves the host is not masqueraded', () => {
  expect(rules({ internal: true, pools: [pool('10.1.0.0/24')] })).toMatchObject([
    { internal: true, masquerade: false },
  ])
})

test('masquerading can be switched off', () => {
  const options = { 'com.docker.network.bridge.enable_ip_masquerade': 'false' }
  expect(rules({ options, pools: [pool('10.1.0.0/24')] })).toMatchObject([{ masquerade: false }])
})
