import { execFileSync } from 'node:child_process'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createFirewall, type FirewallOptions } from '../../src/firewall/firewall.ts'
import { enterThrowAwayNetns } from '../helpers/firewall-lab.ts'

describe('the choice of a firewall backend', () => {
  let logged = ''

  beforeAll(enterThrowAwayNetns)
  afterEach(() => {
    logged = ''
    execFileSync('nft', ['flush ruleset'])
  })

  function choose(backend: FirewallOptions['backend']): string {
    const stream = new Writable({
      write(chunk, _encoding, done) {
        logged += chunk
        done()
      },
    })
    const firewall = createFirewall({ backend, instance: '', log: pino(stream) })
    firewall.close()
    return firewall.backend
  }

  it('is nftables where nothing speaks against it', () => {
    expect(choose('auto')).toBe('nftables')
    expect(logged).toBe('')
  })

  it('is iptables where its FORWARD policy is DROP, and leaves that policy', async () => {
    execFileSync('iptables', ['-P', 'FORWARD', 'DROP'])
    expect(choose('auto')).toBe('iptables')
    const firewall = createFirewall({ backend: 'auto', instance: '', log: pino({ level: 'silent' }) })
    await firewall.replaceAll([])
    await firewall.clear()
    firewall.close()
    expect(execFileSync('iptables', ['-S', 'FORWARD'], { encoding: 'utf8' })).toBe('-P FORWARD DROP\n')
  })

  it('is what was asked for also there', () => {
    execFileSync('iptables', ['-P', 'FORWARD', 'DROP'])
    expect(choose('nftables')).toBe('nftables')
    expect(choose('iptables')).toBe('iptables')
    expect(logged).toBe('')
  })

  it('comes with a warning where a chain of somebody else drops what is forwarded', () => {
    const chain = 'chain fence { type filter hook forward priority 0; policy drop; }'
    execFileSync('nft', [`table inet garden {\n${chain}\n}\n`])
    expect(choose('auto')).toBe('nftables')
    expect(logged).toContain('chain fence of the nftables table inet garden has the policy drop')
  })

  it('changes nothing by itself', () => {
    for (const backend of ['auto', 'nftables', 'iptables'] as const) choose(backend)
    expect(execFileSync('nft', ['list ruleset'], { encoding: 'utf8' })).toBe('')
  })
})
