import { describe, expect, it } from 'vitest'
import {
  type Buckets,
  chainsAfter,
  countBuckets,
  isOwnChain,
  isStanding,
  renderAll,
  renderChange,
} from '../../../src/firewall/iptables-ruleset.ts'
import type { Batch, PublishRule } from '../../../src/firewall/rules.ts'
import { cases } from './cases.ts'

const port = cases[1]!.rules[2] as PublishRule
const none: Buckets = new Map()

/** What a batch looks like where `standing` stands. */
function change(standing: readonly PublishRule[], batch: Partial<Batch>): string[] {
  const delta = { add: [], remove: [], ...batch }
  const before = countBuckets(none, 4, { add: standing, remove: [] })
  return renderChange('', 4, delta, before, countBuckets(before, 4, delta)).split('\n')
}

describe('a change of ports', () => {
  const line = (hostPort: number) =>
    `TSNET-tcp-7936 -p tcp -m tcp --dport ${hostPort} -j DNAT --to-destination 172.18.0.2:80`
  const jump = 'TSNET-PUBLISH -p tcp -m tcp --dport 7936:8191 -j TSNET-tcp-7936'

  it('makes a small chain for the first of 256 ports, and takes it away with the last', () => {
    expect(change([], { add: [port] })).toEqual([
      ...['*nat', ':TSNET-tcp-7936 - [0:0]', `-A ${jump}`, `-A ${line(8080)}`, 'COMMIT', ''],
    ])
    expect(change([port], { remove: [port] })).toEqual([
      ...['*nat', `-D ${line(8080)}`, `-D ${jump}`, '-X TSNET-tcp-7936', 'COMMIT', ''],
    ])
  })

  it('touches nothing else when there are neighbours', () => {
    const second = { ...port, hostPort: 8081 }
    expect(change([port], { add: [second] })).toEqual(['*nat', `-A ${line(8081)}`, 'COMMIT', ''])
    expect(change([port, second], { remove: [second] })).toEqual(['*nat', `-D ${line(8081)}`, 'COMMIT', ''])
  })

  it('writes one rule for a range, above the small chains when it lies in several', () => {
    const range = { ...port, hostPort: 20_000, port: 30_000, count: 10_000 }
    expect(change([], { add: [range] }).filter((text) => text.startsWith('-A'))).toEqual([
      '-A TSNET-PUBLISH -p tcp -m tcp --dport 20000:29999 -j DNAT --to-destination 172.18.0.2:30000-39999/20000',
    ])
  })

  it('finds routed ports by the last byte of the container address', () => {
    const open = { ...port, mode: 'route' } as const
    expect(change([], { add: [open] })).toContain('-A TSNET-OPEN -d 0.0.0.2/0.0.0.255 -j TSNET-to-2')
  })
})

describe('what is saved', () => {
  const saved = (rules: Parameters<typeof renderAll>[2]) =>
    renderAll('', 4, rules, '').replaceAll('\n-I ', '\n-A ')
  const chainsOf = (text: string) => chainsAfter('', new Map(), text)

  it.each(cases)('is found to stand for $name, and not with a line less or more', ({ rules }) => {
    const text = saved(rules)
    const lines = text.split('\n').filter((line) => line.startsWith('-A '))
    const chains = chainsOf(text)
    expect(isStanding('', 4, chains, text)).toBe(true)
    for (const line of lines) {
      expect(isStanding('', 4, chains, text.replace(`${line}\n`, '')), line).toBe(false)
      expect(isStanding('', 4, chains, text.replace(line, `${line}\n${line}`)), line).toBe(false)
    }
  })

  it.each(cases)(
    'is not found to stand for $name with two lines of a chain the other way round',
    ({ rules }) => {
      const text = saved(rules)
      const pairs = text.split('\n').map((line, at, all) => [line, all[at + 1] ?? ''] as const)
      const chainOf = (line: string) => /^-A (TSNET-\S+)/.exec(line)?.[1]
      const within = pairs.filter(
        ([one, next]) => chainOf(one) !== undefined && chainOf(one) === chainOf(next),
      )
      for (const [one, next] of within) {
        const swapped = text.replace(`${one}\n${next}\n`, `${next}\n${one}\n`)
        expect(isStanding('', 4, chainsOf(text), swapped), one).toBe(false)
      }
    },
  )

  it('may hold what users and others wrote', () => {
    const { rules } = cases[1]!
    const text = saved(rules)
    const more = text.replace('*filter\n', '*filter\n-A TSNET-USER -j DROP\n-A FORWARD -j ACCEPT\n')
    const foreign = '*security\n:TSNET-INTO - [0:0]\n-A TSNET-INTO -j DROP\nCOMMIT\n'
    expect(isStanding('', 4, chainsOf(text), more + foreign)).toBe(true)
  })

  it('has the order in which lines came, first ones before all others', () => {
    const add = chainsOf(
      '*nat\n:TSNET-PUBLISH - [0:0]\n-A TSNET-PUBLISH -j a\n-A TSNET-PUBLISH -j b\nCOMMIT\n',
    )
    const changed = chainsAfter(
      '',
      add,
      '*nat\n-I TSNET-PUBLISH -j c\n-D TSNET-PUBLISH -j a\n-A TSNET-PUBLISH -j a\nCOMMIT\n',
    )
    expect([...changed]).toEqual([['nat TSNET-PUBLISH', ['-j c', '-j b', '-j a']]])
  })
})

describe('isOwnChain', () => {
  it('tells chains of one instance from those of another, of the user and of others', () => {
    const names = ['TSNET-INTO', 'TSNET-tcp-256', 'TSNET-abc-INTO', 'TSNET-USER', 'TSNET-INTOX', 'FORWARD']
    expect(names.filter((name) => isOwnChain('', name))).toEqual(['TSNET-INTO', 'TSNET-tcp-256'])
    expect(names.filter((name) => isOwnChain('abc', name))).toEqual(['TSNET-abc-INTO'])
  })
})
