import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createFirewall, type Firewall } from '../../src/firewall/firewall.ts'
import type { PublishRule } from '../../src/firewall/rules.ts'
import { watchRuleset } from '../../src/netlink/ruleset-events.ts'
import { bridgeRules, enterThrowAwayNetns } from '../helpers/firewall-lab.ts'

const port: PublishRule = {
  kind: 'publish',
  owner: '0123456789abcdef0123',
  family: 4,
  mode: 'dnat',
  protocol: 'tcp',
  hostAddress: '',
  hostPort: 8080,
  count: 1,
  hostInterface: '',
  sources: [],
  interface: 'br-a',
  address: '172.30.1.2',
  port: 80,
}
const second: PublishRule = { ...port, hostPort: 8082, port: 82 }
const range: PublishRule = { ...port, hostPort: 9000, port: 9000, count: 900 }
const routed: PublishRule = { ...port, mode: 'route', sources: ['10.0.0.0/8', '192.0.2.7/32'] }
const limited: PublishRule = {
  ...port,
  family: 6,
  address: 'fd00:30:1::2',
  hostInterface: 'eth7',
  hostPort: 81,
}

/** Everything in the kernel, without counters: tsnet's rules with their places in their chains, the rest in no order. */
function ruleset(): string[] {
  const saved = ['iptables-save', 'ip6tables-save'].map((program) =>
    execFileSync(program, { encoding: 'utf8' }),
  )
  const own = ['ip', 'ip6'].map((family) => list(`list table ${family} tsnet`))
  return [...saved.map(numberLines), ...own.map(numberRules)]
    .join('\n')
    .replaceAll(/\[\d+:\d+\]|elements = \{|\}/g, '')
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .sort()
}

/** Only where nobody else has rules is a place tsnet's to say. */
function numberLines(saved: string): string {
  const next = new Map<string, number>()
  return saved.replaceAll(/^(\*.*|-A TSNET-\S+)/gm, (start) => {
    if (start.startsWith('*')) next.clear()
    const place = (next.get(start) ?? 0) + 1
    next.set(start, place)
    return start.startsWith('*') ? start : `${start} ${place}`
  })
}

function numberRules(table: string): string {
  return table.replaceAll(/^\tchain (\S+) \{\n((?:\t\t.*\n)*)/gm, (_, chain: string, rules: string) =>
    rules.replaceAll(
      /^\t\t.*$/gm,
      (rule, at: number) => `${chain} ${rules.slice(0, at).split('\n').length} ${rule}`,
    ),
  )
}

function list(command: string): string {
  try {
    return execFileSync('nft', [command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return ''
  }
}

const sh = (script: string) => execFileSync('sh', ['-ec', script], { stdio: ['ignore', 'pipe', 'pipe'] })

/** What others do, by backend. */
const harms = {
  nftables: {
    'flush all rules of the host': 'nft flush ruleset',
    'delete the table': 'nft delete table ip tsnet',
    'flush the table of the other family': 'nft flush table ip6 tsnet',
    'take out an element': "nft delete element ip tsnet publish '{ tcp . 8080 }'",
    'put in an element': "nft add element ip tsnet publish '{ tcp . 1 : 172.30.1.9 . 1 }'",
    'insert a rule': 'nft insert rule ip tsnet forward accept',
    'delete a rule': `nft delete rule ip tsnet forward handle $(nft -a list chain ip tsnet forward | sed -n 's/.*@internal drop # handle //p' | head -1)`,
    'flush a chain': 'nft flush chain ip tsnet postrouting',
    'insert a rule between others':
      'nft add rule ip tsnet forward position $(nft -a list chain ip tsnet forward | sed -n "s/.*jump inbound # handle //p") counter accept',
    'move a rule behind the others': `nft -a list chain ip tsnet forward | sed -n 's/.*@internal drop # handle //p' | head -1 |
      { read handle; nft "delete rule ip tsnet forward handle $handle; add rule ip tsnet forward iifname @internal drop"; }`,
    'swap two rules of a chain without hook': `nft -a list chain ip tsnet inbound | sed -n 's/.*@bridges drop # handle //p' |
      { read handle; nft "delete rule ip tsnet inbound handle $handle; insert rule ip tsnet inbound iifname @bridges drop"; }`,
  },
  iptables: {
    'flush all rules of the host': 'nft flush ruleset',
    'flush the chains of each table':
      'iptables -F; iptables -t nat -F; iptables -t raw -F; ip6tables -F; ip6tables -t nat -F',
    'flush one table and delete its chains': 'iptables -t nat -F; iptables -t nat -X',
    'restore rules of their own':
      "printf '*filter\\n:FORWARD ACCEPT\\nCOMMIT\\n*nat\\nCOMMIT\\n' | iptables-restore",
    'add the saved rules once more': 'iptables-save | iptables-restore --noflush',
    'delete the jump': 'iptables -t nat -D PREROUTING 1',
    'double the jump':
      "iptables-save -t filter | grep -e '^[*C]' -e '-A FORWARD' | iptables-restore --noflush",
    'insert a rule': 'iptables -I TSNET-INTO -j ACCEPT',
    'delete a rule': 'iptables -t nat -F TSNET-tcp-7936',
    'insert a rule between others': 'iptables -I TSNET-FORWARD 3 -j ACCEPT',
    'swap the first two chains that are asked':
      'iptables -D TSNET-FORWARD 1; iptables -I TSNET-FORWARD 2 -m comment --comment tsnet -j TSNET-USER',
    'move a rule behind the others of its network': `rule=$(iptables -S TSNET-INTO 1); iptables -D TSNET-INTO 1; iptables $rule`,
    'turn the ports of a chain round':
      'iptables -t nat -S TSNET-tcp-7936 2 | { read -r _ rule; iptables -t nat -D $rule; iptables -t nat -I $rule; }',
  },
} as const

describe.each(['nftables', 'iptables'] as const)('the rules of %s', (backend) => {
  let firewall: Firewall
  let repairs = 0

  beforeAll(enterThrowAwayNetns)

  beforeEach(async () => {
    repairs = 0
    firewall = createFirewall({ backend, instance: '', log: pino({ level: 'silent' }) })
    await firewall.replaceAll([...bridgeRules(), port, second, range, routed, limited])
    firewall.heal(watchRuleset, () => repairs++)
  })

  afterEach(async () => {
    await firewall.clear()
    firewall.close()
    sh('nft flush ruleset')
  })

  it.each(Object.entries(harms[backend]))('are back, each once, after others %s', async (_name, harm) => {
    const standing = ruleset()
    sh(harm)
    expect(ruleset()).not.toEqual(standing)
    await vi.waitFor(() => expect(repairs).toBe(1), { timeout: 5000, interval: 20 })
    expect(ruleset()).toEqual(standing)
  })

  it('are back again and again, without the network that was removed meanwhile', async () => {
    await firewall.apply({
      add: [],
      remove: [...bridgeRules().slice(0, 2), port, second, range, routed, limited],
    })
    const standing = ruleset()
    for (let round = 1; round <= 2; round++) {
      sh('nft flush ruleset')
      await vi.waitFor(() => expect(repairs).toBe(round), { timeout: 5000, interval: 20 })
      expect(ruleset()).toEqual(standing)
    }
    expect(ruleset().join()).not.toContain('br-a')
  })

  it('are left alone while others and users change what is theirs, and through changes of its own', async () => {
    const [first] = bridgeRules()
    await firewall.apply({ add: [{ ...port, hostPort: 8081 }], remove: [port, first!] })
    await firewall.apply({ add: [first!], remove: [] })
    sh('nft add table inet other; nft add chain inet other x; nft add rule inet other x accept')
    sh('iptables -A INPUT -s 192.0.2.9 -j DROP; iptables -A FORWARD -s 192.0.2.9 -j DROP')
    if (backend === 'nftables') {
      sh(`nft 'add rule ip tsnet user ip saddr 192.0.2.9 drop
        add rule ip tsnet user ip saddr { 192.0.2.7, 192.0.2.8 } counter drop comment "a } b"
        add set ip tsnet blocked { type ipv4_addr; elements = { 192.0.2.6 }; }
        add chain ip tsnet logged; add rule ip tsnet logged drop
        add rule ip tsnet user ip saddr @blocked jump logged'`)
      sh("nft add element ip tsnet blocked '{ 192.0.2.5 }'")
    } else sh('iptables -A TSNET-USER -s 192.0.2.9 -j DROP')
    await firewall.apply({ add: [port], remove: [{ ...port, hostPort: 8081 }] })
    await sleep(1300)
    expect(repairs).toBe(0)
    const theirs = () => ruleset().filter((line) => /192\.0\.2\.\d|logged/.test(line))
    const before = theirs()
    expect(before.length).toBeGreaterThanOrEqual(3)
    sh(backend === 'nftables' ? 'nft flush chain ip tsnet forward' : 'iptables -F TSNET-FORWARD')
    await vi.waitFor(() => expect(repairs).toBe(1), { timeout: 5000, interval: 20 })
    expect(theirs()).toEqual(before)
  })
})

describe('the rules of iptables, while others change them at the same time', () => {
  const path = process.env['PATH']
  let directory: string

  beforeAll(async () => {
    await enterThrowAwayNetns()
    directory = mkdtempSync(join(tmpdir(), 'tsnet-hasty-'))
    // between a look at the rules and their change
    const hasty = `#!/bin/sh
if [ -e ${directory}/armed ]; then rm ${directory}/armed; nft flush ruleset; fi
PATH=${path} exec iptables-restore "$@"
`
    writeFileSync(join(directory, 'iptables-restore'), hasty, { mode: 0o755 })
    process.env['PATH'] = `${directory}:${path}`
  })

  afterAll(() => {
    process.env['PATH'] = path
    rmSync(directory, { recursive: true })
  })

  it('are made, taken away and made anew all the same', async () => {
    const arm = () => writeFileSync(join(directory, 'armed'), '')
    const isDisarmed = () => !existsSync(join(directory, 'armed'))
    const firewall = createFirewall({ backend: 'iptables', instance: '', log: pino({ level: 'silent' }) })
    try {
      await firewall.replaceAll([...bridgeRules([4]), port])
      const standing = ruleset()
      arm()
      await firewall.replaceAll([...bridgeRules([4]), port])
      expect(isDisarmed()).toBe(true)
      expect(ruleset()).toEqual(standing)
      arm()
      await firewall.clear()
      expect(isDisarmed()).toBe(true)
      expect(ruleset().join()).not.toContain('TSNET')
    } finally {
      firewall.close()
    }
  })
})

describe('the rules of iptables-legacy, of whose changes nobody tells', () => {
  const names = ['iptables', 'ip6tables'].flatMap((name) => [`${name}-save`, `${name}-restore`])
  const path = process.env['PATH']
  let directory: string

  beforeAll(async () => {
    await enterThrowAwayNetns()
    directory = mkdtempSync(join(tmpdir(), 'tsnet-legacy-'))
    for (const name of names) symlinkSync('/usr/sbin/xtables-legacy-multi', join(directory, name))
    process.env['PATH'] = `${directory}:${path}`
  })

  afterAll(() => {
    process.env['PATH'] = path
    rmSync(directory, { recursive: true })
  })

  it('are back all the same', async () => {
    const firewall = createFirewall({ backend: 'iptables', instance: '', log: pino({ level: 'silent' }) })
    let repairs = 0
    await firewall.replaceAll([...bridgeRules(), port, second, range, routed, limited])
    firewall.heal(watchRuleset, () => repairs++)
    try {
      const standing = save()
      expect(standing).toContain('TSNET-tcp-7936')
      sh('iptables-legacy -t nat -F; iptables-legacy -F')
      await vi.waitFor(() => expect(repairs).toBe(1), { timeout: 8000, interval: 50 })
      expect(save()).toBe(standing)
      await sleep(1500)
      expect(repairs).toBe(1)
    } finally {
      await firewall.clear()
      firewall.close()
    }
    expect(save()).not.toContain('TSNET')
  })

  const save = () =>
    sh('iptables-legacy-save | sort; ip6tables-legacy-save | sort')
      .toString()
      .replaceAll(/^#.*|\[.*\]/gm, '')
})
