import { describe, expect, it } from 'vitest'
import { toVerified } from '../../../../src/api/wire/verification.ts'
import type { VerifiedPath, VerifiedRow } from '../../../../src/engine/engine.ts'
import type { NetworkRecord } from '../../../../src/store/records.ts'

const network = { id: 'a'.repeat(64), name: 'mesh' } as NetworkRecord

const pathTo = (to: string, part: Partial<VerifiedPath> = {}): VerifiedPath => ({
  to,
  container: 'web',
  address: '10.128.0.2',
  sent: 10,
  received: 10,
  latency: 0.2,
  mtu: 1450,
  error: '',
  ...part,
})

const row = (node: string, ...paths: VerifiedPath[]): VerifiedRow => ({
  node,
  mtu: 1450,
  repaired: 0,
  faults: [],
  error: '',
  paths,
})

const stateOf = (part: Partial<VerifiedPath>): string | undefined =>
  toVerified({ network, rows: [row('h1', pathTo('h2', part))], silent: [], warning: '' }).Paths[0]?.State

describe('the state of a way between two hosts', () => {
  it.each([
    ['ok', {}],
    ['unreachable', { received: 0, latency: null, mtu: null }],
    ['lossy', { received: 9 }],
    ['mtu', { mtu: 1350 }],
    ['mtu', { mtu: 1451 }],
    ['mtu', { received: 9, mtu: 1350 }],
    ['unknown', { sent: 0, received: 0, latency: null, mtu: null, error: 'there was no time to look' }],
  ])('is %s for %j', (state, part) => {
    expect(stateOf(part)).toBe(state)
  })
})

describe('the answer of verify', () => {
  it('has hosts and ways in the order of their names, numbers by what they count', () => {
    const rows = [row('h10', pathTo('h2'), pathTo('h1')), row('h2', pathTo('h10'))]
    const { Hosts, Paths } = toVerified({ network, rows, silent: ['h1'], warning: '' })
    expect(Hosts.map(({ Name, Answered }) => [Name, Answered])).toEqual([
      ['h1', false],
      ['h2', true],
      ['h10', true],
    ])
    expect(Paths.map(({ From, To }) => `${From} ${To}`)).toEqual(['h2 h10', 'h10 h1', 'h10 h2'])
  })
})
