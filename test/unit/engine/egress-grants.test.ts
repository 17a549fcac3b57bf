import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { EgressGrants } from '../../../src/engine/egress-grants.ts'
import { allowsName } from '../../../src/engine/egress-policy.ts'
import type { Batch } from '../../../src/firewall/rules.ts'
import { ruleKey } from '../../../src/firewall/rules.ts'
import type { ContainerRecord } from '../../../src/store/records.ts'
import { id, plan } from './samples.ts'

/** The rules that stand, as the firewall keeps them: adding twice and removing what is gone are harmless. */
let standing: Map<string, string>
let grants: EgressGrants

const planned = plan({
  egress: [
    { to: 'api.test', protocol: 'tcp', port: 443 },
    { to: '*.many.test', protocol: '', port: 0 },
    { to: '10.0.0.0/8', protocol: 'tcp', port: 443 },
  ],
})

/** The container with interfaces of these hardware addresses. */
const record = (macs: readonly string[]): ContainerRecord => ({
  ...planned,
  endpoints: macs.map((mac) => ({ ...planned.endpoints[0]!, mac })),
})

async function apply({ add, remove }: Batch): Promise<void> {
  for (const rule of remove) standing.delete(ruleKey(rule))
  for (const rule of add) {
    if (rule.kind === 'allow')
      standing.set(ruleKey(rule), `${rule.mac} ${rule.destination} ${rule.protocol} ${rule.port}`)
  }
}

const rules = () => [...standing.values()].toSorted()

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  standing = new Map()
  grants = new EgressGrants({
    firewall: { apply },
    log: pino({ level: 'silent' }),
    allowsName,
    sendersOf: ({ endpoints }) =>
      endpoints.map(({ mac }) => ({ owner: 'e'.repeat(64), family: 4, interface: 'br-a', mac })),
  })
  grants.open(record(['mac-a']))
})
afterEach(() => vi.useRealTimers())

describe('addresses of names in an egress policy', () => {
  it('are allowed at the ports of the entries for that name, in families that the network has', async () => {
    await grants.grant(id, 'api.test', ['192.0.2.1', '2001:db8::1'], 60)
    await grants.grant(id, 'x.many.test', ['192.0.2.2'], 60)
    await grants.grant(id, 'many.test', ['192.0.2.3'], 60)
    await grants.grant(id, 'evil-api.test', ['192.0.2.4'], 60)
    expect(rules()).toEqual(['mac-a 192.0.2.1/32 tcp 443', 'mac-a 192.0.2.2/32  0'])
  })

  it('are left to the entry that covers them at all times', async () => {
    await grants.grant(id, 'api.test', ['10.1.2.3'], 60)
    expect(rules()).toEqual([])
  })

  it('end with their answers, which each further one puts off', async () => {
    await grants.grant(id, 'api.test', ['192.0.2.1', '192.0.2.2'], 10)
    await vi.advanceTimersByTimeAsync(9000)
    await grants.grant(id, 'api.test', ['192.0.2.2'], 10)
    await vi.advanceTimersByTimeAsync(7000)
    expect(rules()).toEqual(['mac-a 192.0.2.2/32 tcp 443'])
    await vi.advanceTimersByTimeAsync(9000)
    expect(rules()).toEqual([])
  })

  it('are not cut short by a later answer that holds less long', async () => {
    await grants.grant(id, 'api.test', ['192.0.2.1'], 100)
    await grants.grant(id, 'api.test', ['192.0.2.1'], 0)
    await vi.advanceTimersByTimeAsync(90_000)
    expect(rules()).toHaveLength(1)
  })

  it('follow the container onto networks and off them', async () => {
    await grants.grant(id, 'api.test', ['192.0.2.1'], 60)
    await grants.follow(record(['mac-a', 'mac-b']))
    expect(rules()).toEqual(['mac-a 192.0.2.1/32 tcp 443', 'mac-b 192.0.2.1/32 tcp 443'])
    await grants.follow(record(['mac-b']))
    expect(rules()).toEqual(['mac-b 192.0.2.1/32 tcp 443'])
  })

  it('go when the policy does not have their name any more, at that port', async () => {
    await grants.grant(id, 'api.test', ['192.0.2.1'], 60)
    await grants.grant(id, 'x.many.test', ['192.0.2.2'], 60)
    const { spec, ...rest } = record(['mac-a'])
    const egress = [{ to: 'x.many.test', protocol: '', port: 0 } as const, { ...spec.egress![0]!, port: 80 }]
    await grants.follow({ ...rest, spec: { ...spec, egress } })
    expect(rules()).toEqual(['mac-a 192.0.2.2/32  0'])
  })

  it('go with the container, and answers that come later bring none back', async () => {
    await grants.grant(id, 'api.test', ['192.0.2.1'], 60)
    await grants.close(id)
    await grants.grant(id, 'api.test', ['192.0.2.1'], 60)
    expect(rules()).toEqual([])
  })

  it('are so many at most that a domain without end does no harm', async () => {
    await grants.grant(id, 'first.many.test', ['192.0.2.1', '192.0.2.2'], 60)
    const many = Array.from({ length: 4096 }, (_, i) => `198.${51 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`)
    await grants.grant(id, 'all.many.test', many, 600)
    expect(rules()).toHaveLength(4096)
    expect(rules().some((rule) => rule.startsWith('mac-a 192.0.'))).toBe(false)
  })
})
