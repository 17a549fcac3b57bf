import { describe, expect, it } from 'vitest'
import { chainName } from '../../../src/firewall/iptables-ruleset.ts'
import {
  type BridgeRule,
  checkRule,
  inverse,
  type PublishRule,
  ruleKey,
} from '../../../src/firewall/rules.ts'
import { cases } from './cases.ts'

const port = cases[1]!.rules[2] as PublishRule

describe('inverse', () => {
  it('is its own inverse', () => {
    const batch = { add: cases[0]!.rules, remove: [port] }
    expect(inverse(inverse(batch))).toEqual(batch)
    expect(inverse(batch)).toEqual({ add: [port], remove: cases[0]!.rules })
  })
})

describe('ruleKey', () => {
  it('is the same for equal rules whatever the order of their fields', () => {
    const turned = Object.fromEntries(Object.entries(port).toReversed()) as unknown as PublishRule
    expect(ruleKey(turned)).toBe(ruleKey(port))
  })

  it('tells rules apart by every field', () => {
    const changes: Partial<PublishRule>[] = [
      { owner: 'other' },
      { family: 6 },
      { protocol: 'udp' },
      { hostAddress: '127.0.0.1' },
      { hostPort: 8081 },
      { count: 2 },
      { interface: 'br-other' },
      { address: '172.18.0.3' },
      { port: 81 },
      { mode: 'route' },
      { hostInterface: 'eth1' },
      { sources: ['10.0.0.0/8'] },
    ]
    const keys = [{}, ...changes].map((change) => ruleKey({ ...port, ...change }))
    expect(new Set(keys).size).toBe(changes.length + 1)
  })
})

describe('ruleKey of a bridge', () => {
  it('tells rules apart by every field', () => {
    const bridge = cases[0]!.rules[0] as BridgeRule
    const changes: Partial<BridgeRule>[] = [
      { owner: 'other' },
      { family: 6 },
      { interface: 'br-other' },
      { subnet: '172.19.0.0/16' },
      { internal: true },
      { mode: 'routed' },
      { masquerade: false },
      { snatAddress: '192.0.2.7' },
    ]
    const keys = [{}, ...changes].map((change) => ruleKey({ ...bridge, ...change }))
    expect(new Set(keys).size).toBe(changes.length + 1)
  })
})

describe('checkRule', () => {
  it('accepts every typical rule', () => {
    for (const { rules } of cases) for (const rule of rules) expect(() => checkRule(rule)).not.toThrow()
  })

  it.each([
    [{ address: 'example.com' }, '"example.com" is not an IPv4 address'],
    [{ address: '172.18.0.2\n-F' }, 'is not an IPv4 address'],
    [{ hostAddress: '::1' }, '"::1" is not an IPv4 address'],
    [{ interface: 'br-a" accept' }, 'is not an interface name'],
    [{ hostPort: 65_535, count: 2 }, '"65535, 2 of them" is not a range of ports'],
    [{ hostInterface: 'eth1 -j' }, 'is not an interface name'],
    [{ hostInterface: 'eth+' }, 'is not an interface name'],
    [{ hostInterface: 'eth*' }, 'is not an interface name'],
    [{ sources: ['10.0.0.0'] }, '"10.0.0.0" is not an IPv4 subnet'],
    [{ sources: ['10.0.0.0/33'] }, '"10.0.0.0/33" is not an IPv4 subnet'],
    [{ sources: ['fd00::/8'] }, '"fd00::/8" is not an IPv4 subnet'],
    [{ port: 0 }, '"0, 1 of them" is not a range of ports'],
  ])('refuses %o', (change, message) => {
    expect(() => checkRule({ ...port, ...change })).toThrow(message)
  })

  it('asks nothing of the host port of a routed port', () => {
    expect(() => checkRule({ ...port, mode: 'route', hostPort: 0 })).not.toThrow()
    expect(() => checkRule({ ...port, hostPort: 0 })).toThrow('is not a range of ports')
  })

  it('refuses a source address that is none', () => {
    const bridge = cases[0]!.rules[0] as BridgeRule
    expect(() => checkRule({ ...bridge, snatAddress: 'fd00::1' })).toThrow('"fd00::1" is not an IPv4 address')
  })

  it('refuses a subnet of the other family', () => {
    const bridge = cases[0]!.rules[0]!
    expect(() => checkRule({ ...bridge, family: 6 })).toThrow('"172.18.0.0/16" is not an IPv6 subnet')
  })
})

describe('chainName', () => {
  it('stays within 28 characters for instances of eight', () => {
    for (const purpose of ['FORWARD', 'INTERNAL', 'MASQUERADE', 'LOOPBACK', 'sctp-65280', 'to-255']) {
      expect(chainName('12345678', purpose).length).toBeLessThanOrEqual(28)
    }
  })
})
