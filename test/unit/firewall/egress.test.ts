import { describe, expect, it } from 'vitest'
import { egressRules } from '../../../src/firewall/egress.ts'
import { withoutUserRules } from '../../../src/firewall/nft-ruleset.ts'

const sender = { owner: 'e'.repeat(64), interface: 'br-a', mac: '02:42:ac:12:00:02' } as const

/** The destinations of a family with their ports. */
function allowed(family: 4 | 6, ...entries: Parameters<typeof egressRules>[0]): string[] {
  return egressRules(entries, { ...sender, family }).flatMap((rule) =>
    rule.kind === 'allow' ? [`${rule.destination} ${rule.protocol} ${rule.port}`] : [],
  )
}

describe('the rules of an egress policy', () => {
  it('restrict every family, whatever is allowed', () => {
    for (const family of [4, 6] as const) {
      expect(egressRules([], { ...sender, family })).toEqual([{ ...sender, family, kind: 'egress' }])
    }
  })

  it('allow the destinations of their family, and names nothing', () => {
    const entries = [
      { to: '10.0.0.0/8', protocol: 'tcp', port: 80 },
      { to: '2001:db8::/32', protocol: '', port: 0 },
      { to: 'api.test', protocol: 'tcp', port: 443 },
    ] as const
    expect(allowed(4, ...entries)).toEqual(['10.0.0.0/8 tcp 80'])
    expect(allowed(6, ...entries)).toEqual(['2001:db8::/32  0'])
  })

  it('do not overlap for one port, as sets of intervals may not', () => {
    const to = (block: string, port: number) => ({ to: block, protocol: 'tcp', port }) as const
    expect(allowed(4, to('10.1.0.0/16', 80), to('10.0.0.0/8', 80), to('10.1.2.3/32', 81))).toEqual([
      '10.0.0.0/8 tcp 80',
      '10.1.2.3/32 tcp 81',
    ])
  })
})

describe('a printed table', () => {
  it('is the same whatever has been counted', () => {
    const printed = (packets: number) =>
      `chain egress {\n\t\tcounter packets ${packets} bytes ${60 * packets} drop\n\t}`
    expect(withoutUserRules(printed(7), 4)).toBe(withoutUserRules(printed(0), 4))
    expect(withoutUserRules(printed(7), 4)).not.toBe(
      withoutUserRules(printed(7).replace('drop', 'accept'), 4),
    )
  })
})
