/** Hosts whose FORWARD chain, of one of the kernel's two iptables, drops what no rule accepts. */
import { execFileSync } from 'node:child_process'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createFirewall, type Firewall, type FirewallOptions } from '../../src/firewall/firewall.ts'
import { watchRuleset } from '../../src/netlink/ruleset-events.ts'
import { bridgeRules, createLab, enterThrowAwayNetns, type Lab } from '../helpers/firewall-lab.ts'

const sh = (script: string) => execFileSync('sh', ['-ec', script], { encoding: 'utf8', stdio: 'pipe' })

/** The policies and rules of FORWARD that are not tsnet's. */
function foreign(variant: string): string {
  return sh(`iptables-${variant} -S FORWARD; ip6tables-${variant} -S FORWARD`)
    .split('\n')
    .filter((line) => !/TSNET/.test(line))
    .join('\n')
}

let lab: Lab

beforeAll(async () => {
  await enterThrowAwayNetns()
  lab = await createLab()
  for (const place of [lab.client, lab.a1, lab.b1, lab.far]) {
    await place.serveTcp(4, 80)
    await place.serveTcp(6, 80)
  }
})

afterAll(() => lab.close())

let firewall: Firewall

const setPolicy = (variant: string, policy: string) =>
  sh(`iptables-${variant} -P FORWARD ${policy}; ip6tables-${variant} -P FORWARD ${policy}`)

async function open(backend: FirewallOptions['backend']): Promise<void> {
  firewall = createFirewall({ backend, instance: '', log: pino({ level: 'silent' }) })
  await firewall.replaceAll(bridgeRules())
}

async function expectContainersServed(): Promise<void> {
  const asked = await Promise.all([
    lab.a1.tcp('192.0.2.2', 80),
    lab.a1.tcp('2001:db8::2', 80),
    lab.client.tcp('172.30.1.2', 80),
    lab.b1.tcp('fd00:30:1::2', 80),
    lab.client.tcp('198.51.100.2', 80),
  ])
  expect(asked).toEqual(['client 192.0.2.1 80', 'client 2001:db8::1 80', ...Array(3).fill('nothing')])
}

afterEach(async () => {
  await firewall.clear()
  firewall.close()
  for (const variant of ['nft', 'legacy']) setPolicy(variant, 'ACCEPT')
})

describe.each(['nft', 'legacy'] as const)('where FORWARD of iptables-%s is closed', (variant) => {
  it.each(['auto', 'nftables', 'iptables'] as const)(
    'containers go out with %s, nothing else comes through, and the policy stays',
    async (backend) => {
      setPolicy(variant, 'DROP')
      const before = foreign(variant)
      await open(backend)
      await expectContainersServed()
      expect(foreign(variant)).toBe(before)
      await firewall.clear()
      expect(sh(`iptables-${variant}-save; ip6tables-${variant}-save`)).not.toContain('TSNET')
      expect(foreign(variant)).toBe(before)
    },
  )

  it('networks that come and go are let through as long as they are there', async () => {
    setPolicy(variant, 'DROP')
    await open('nftables')
    await firewall.apply({ add: [], remove: bridgeRules().slice(0, 2) })
    expect(await lab.a1.tcp('192.0.2.2', 80)).toBe('nothing')
    await firewall.apply({ add: bridgeRules().slice(0, 2), remove: [] })
    await expectContainersServed()
  })
})

describe('a policy that changes later', () => {
  it('is followed, both ways', async () => {
    await open('nftables')
    let repairs = 0
    firewall.heal(watchRuleset, () => repairs++)
    setPolicy('nft', 'DROP')
    await vi.waitFor(() => expect(repairs).toBeGreaterThan(0), { timeout: 5000, interval: 20 })
    await expectContainersServed()
    setPolicy('nft', 'ACCEPT')
    await vi.waitFor(() => expect(sh('iptables-save; ip6tables-save')).not.toContain('TSNET'), {
      timeout: 5000,
      interval: 50,
    })
  })
})
