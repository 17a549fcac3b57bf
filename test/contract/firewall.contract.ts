/** What every firewall backend does. Run as root; the whole file's process lives in a throw-away namespace. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { egressRules, familyOf } from '../../src/firewall/egress.ts'
import { createFirewall, type Firewall } from '../../src/firewall/firewall.ts'
import { createDnsRedirect } from '../../src/firewall/redirect.ts'
import {
  type AllowRule,
  type Batch,
  type BridgeRule,
  type Family,
  inverse,
  type PublishRule,
  type Rule,
} from '../../src/firewall/rules.ts'
import type { EgressEntry } from '../../src/store/records.ts'
import { inNetns } from '../../src/sys/netns.ts'
import {
  bridgeRules,
  createLab,
  enterThrowAwayNetns,
  host,
  ip,
  type Lab,
  Place,
} from '../helpers/firewall-lab.ts'

const log = pino({ level: 'silent' })

function publish(wish: Partial<PublishRule> & Pick<PublishRule, 'hostPort'>): PublishRule {
  const family: Family = wish.family ?? 4
  return {
    kind: 'publish',
    owner: '0123456789abcdef0123',
    family,
    mode: 'dnat',
    protocol: 'tcp',
    hostAddress: '',
    count: 1,
    hostInterface: '',
    sources: [],
    interface: 'br-a',
    address: family === 4 ? '172.30.1.2' : 'fd00:30:1::2',
    port: 80,
    ...wish,
  }
}

/** Everything in the kernel, with counters and dates taken out and lines sorted: elements come in any order. */
function ruleset(): string[] {
  const saved = ['iptables-save', 'ip6tables-save'].map((program) =>
    execFileSync(program, { encoding: 'utf8' }),
  )
  // what iptables put there it has printed itself, and nft spells it differently from time to time
  const tables = nftLines('list tables').filter(
    (table) => !/ip6? (filter|nat|raw|mangle|security)$/.test(table),
  )
  const listed = tables.flatMap((table) => nftLines(`list ${table}`))
  return [...saved.join('\n').split('\n'), ...listed]
    .filter((line) => !line.startsWith('#'))
    .flatMap((line) => line.replaceAll(/\[\d+:\d+\]|elements = \{|\}| packets \d+ bytes \d+/g, '').split(','))
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .sort()
}

function nftLines(command: string): string[] {
  return execFileSync('nft', [command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    .trim()
    .split('\n')
}

/** iptables makes its own tables and chains on first use and never removes them; without those. */
function withoutBuiltIn(lines: readonly string[]): string[] {
  const builtIn = /^[:*]|^COMMIT/
  return lines.filter((line) => !builtIn.test(line))
}

export function describeFirewall(backend: Firewall['backend']): void {
  describe(`the ${backend} firewall`, () => {
    let lab: Lab
    let firewall: Firewall
    let before: string[]

    beforeAll(async () => {
      await enterThrowAwayNetns()
      lab = await createLab()
      execFileSync('iptables-restore', { input: FOREIGN_IPTABLES })
      execFileSync('nft', ['-f', '-'], { input: FOREIGN_NFTABLES })
      const { a1, a2, b1, i1, client, far } = lab
      for (const place of [a1, a2, b1, i1, client, far]) {
        await place.serveTcp(4, 80)
        await place.serveTcp(6, 80)
        await place.serveUdp(4, 53)
      }
      for (let port = 9000; port < 9005; port++) await a1.serveTcp(4, port)
      before = ruleset()
    })

    afterAll(() => lab.close())

    beforeEach(async () => {
      firewall = createFirewall({ backend, instance: '', log })
      await firewall.replaceAll(bridgeRules())
    })

    afterEach(async () => {
      await firewall.clear()
      firewall.close()
    })

    const add = (...rules: Batch['add']) => firewall.apply({ add: rules, remove: [] })

    describe('without published ports', () => {
      it('lets containers out to other hosts under the address of the host', async () => {
        expect(await lab.a1.tcp('192.0.2.2', 80)).toBe('client 192.0.2.1 80')
        expect(await lab.a1.tcp('2001:db8::2', 80)).toBe('client 2001:db8::1 80')
        expect(await lab.a1.udp('192.0.2.2', 53)).toBe('client 192.0.2.1 53')
      })

      it('keeps the container address on the way out when masquerading is off', async () => {
        const rules = bridgeRules().map((rule) => ({ ...rule, masquerade: false }))
        await firewall.replaceAll(rules)
        expect(await lab.a1.tcp('192.0.2.2', 80)).toBe('client 172.30.1.2 80')
      })

      it('leaves containers of one network to each other, addresses unchanged', async () => {
        expect(await lab.a1.tcp('172.30.1.3', 80)).toBe('a2 172.30.1.2 80')
      })

      it('drops what a neighbour routes directly to a container', async () => {
        const asked = await Promise.all([
          lab.client.tcp('172.30.1.2', 80),
          lab.client.tcp('fd00:30:1::2', 80),
          lab.client.udp('172.30.1.2', 53),
        ])
        expect(asked).toEqual(Array(3).fill('nothing'))
      })

      it('drops what one network sends directly to another', async () => {
        const asked = await Promise.all([
          lab.a1.tcp('172.30.2.2', 80),
          lab.b1.tcp('172.30.1.2', 80),
          lab.a1.tcp('fd00:30:2::2', 80),
        ])
        expect(asked).toEqual(Array(3).fill('nothing'))
      })

      it('lets the host reach every container, also on an internal network', async () => {
        expect(await host.tcp('172.30.1.2', 80)).toBe('a1 172.30.1.1 80')
        expect(await host.tcp('172.30.3.2', 80)).toBe('i1 172.30.3.1 80')
      })

      it('forwards nothing into or out of an internal network', async () => {
        const asked = await Promise.all([
          lab.i1.tcp('192.0.2.2', 80),
          lab.i1.tcp('172.30.1.2', 80),
          lab.client.tcp('172.30.3.2', 80),
          lab.a1.tcp('172.30.3.2', 80),
        ])
        expect(asked).toEqual(Array(4).fill('nothing'))
      })

      it('keeps containers from the loopback addresses of the host', async () => {
        await lab.a1.serveTcp(4, 7777)
        // a container that routes 127.0.0.0/8 through its gateway: route_localnet on the bridge would let it in
        lab.a2.ip('route del local 127.0.0.0/8 dev lo table local')
        lab.a2.ip('route add 127.0.0.50 via 172.30.1.1 src 172.30.1.3')
        inNetns(lab.a2.netns, () => writeSysctl('net/ipv4/conf/all/route_localnet', '1'))
        const listener = await serveHere('127.0.0.50', 7778)
        try {
          expect(await host.tcp('127.0.0.50', 7778)).toBe('host')
          expect(await lab.a2.tcp('127.0.0.50', 7778)).toBe('nothing')
        } finally {
          listener()
        }
      })

      it('switches forwarding on, per family', () => {
        expect(readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim()).toBe('1')
        expect(readFileSync('/proc/sys/net/ipv6/conf/all/forwarding', 'utf8').trim()).toBe('1')
      })
    })

    describe('with a published port', () => {
      it('sends outside clients on with their own address', async () => {
        await add(publish({ hostPort: 8080 }), publish({ hostPort: 8080, family: 6 }))
        expect(await lab.client.tcp('192.0.2.1', 8080)).toBe('a1 192.0.2.2 80')
        expect(await lab.client.tcp('2001:db8::1', 8080)).toBe('a1 2001:db8::2 80')
      })

      it('sends on UDP', async () => {
        await add(publish({ hostPort: 5353, protocol: 'udp', port: 53 }))
        expect(await lab.client.udp('192.0.2.1', 5353)).toBe('a1 192.0.2.2 53')
      })

      it('still hides the container port from direct routing', async () => {
        await add(publish({ hostPort: 8080 }))
        expect(await lab.client.tcp('172.30.1.2', 80)).toBe('nothing')
      })

      it('works from the host by loopback and by its own addresses', async () => {
        await add(publish({ hostPort: 8080 }), publish({ hostPort: 8080, family: 6 }))
        expect(await host.tcp('127.0.0.1', 8080)).toBe('a1 172.30.1.1 80')
        expect(await host.tcp('192.0.2.1', 8080)).toBe('a1 192.0.2.1 80')
        expect(await host.tcp('172.30.1.1', 8080)).toBe('a1 172.30.1.1 80')
        expect(await host.tcp('2001:db8::1', 8080)).toBe('a1 2001:db8::1 80')
      })

      it('reaches the container itself and its neighbours through the host', async () => {
        await add(publish({ hostPort: 8080 }), publish({ hostPort: 8080, family: 6 }))
        expect(await lab.a1.tcp('192.0.2.1', 8080)).toBe('a1 172.30.1.1 80')
        expect(await lab.a2.tcp('172.30.1.1', 8080)).toBe('a1 172.30.1.1 80')
        expect(await lab.a2.tcp('2001:db8::1', 8080)).toBe('a1 fd00:30:1::1 80')
      })

      it('reaches a container of another network through the host only', async () => {
        await add(publish({ hostPort: 8080 }))
        expect(await lab.b1.tcp('192.0.2.1', 8080)).toBe('a1 172.30.2.2 80')
        expect(await lab.b1.tcp('172.30.1.2', 80)).toBe('nothing')
      })

      it('is out of reach for an internal network', async () => {
        await add(publish({ hostPort: 8080 }))
        expect(await lab.i1.tcp('172.30.3.1', 8080)).toBe('nothing')
      })

      it('is bound to the host address that was asked for', async () => {
        await add(publish({ hostPort: 8080, hostAddress: '192.0.2.1' }))
        expect(await lab.client.tcp('192.0.2.1', 8080)).toBe('a1 192.0.2.2 80')
        const asked = await Promise.all([host.tcp('172.30.1.1', 8080), host.tcp('127.0.0.1', 8080)])
        expect(asked).toEqual(Array(2).fill('nothing'))
      })

      it('on 127.0.0.1 serves the host alone', async () => {
        await add(publish({ hostPort: 8080, hostAddress: '127.0.0.1' }))
        expect(await host.tcp('127.0.0.1', 8080)).toBe('a1 172.30.1.1 80')
        expect(await lab.client.tcp('192.0.2.1', 8080)).toBe('nothing')
        lab.client.ip('route replace 127.0.0.60 via 192.0.2.1')
        await add(publish({ hostPort: 8060, hostAddress: '127.0.0.60' }))
        lab.client.ip('route del local 127.0.0.0/8 dev lo table local')
        inNetns(lab.client.netns, () => writeSysctl('net/ipv4/conf/all/route_localnet', '1'))
        expect(await host.tcp('127.0.0.60', 8060)).toBe('a1 172.30.1.1 80')
        expect(await lab.client.tcp('127.0.0.60', 8060)).toBe('nothing')
      })

      it('leaves the same port number of other hosts alone', async () => {
        await add(publish({ hostPort: 80, interface: 'br-b', address: '172.30.2.2' }))
        expect(await lab.a1.tcp('192.0.2.2', 80)).toBe('client 192.0.2.1 80')
        expect(await host.tcp('172.30.1.2', 80)).toBe('a1 172.30.1.1 80')
      })

      it('closes with its rule', async () => {
        const rule = publish({ hostPort: 8080 })
        await add(rule)
        await firewall.apply({ add: [], remove: [rule] })
        expect(await lab.client.tcp('192.0.2.1', 8080)).toBe('nothing')
      })

      it('moves to another container in one batch', async () => {
        await add(publish({ hostPort: 8080 }))
        const moved = publish({
          hostPort: 8080,
          interface: 'br-b',
          address: '172.30.2.2',
          owner: 'ffff00001111',
        })
        await firewall.apply({ add: [moved], remove: [publish({ hostPort: 8080 })] })
        expect(await lab.client.tcp('192.0.2.1', 8080)).toBe('b1 192.0.2.2 80')
      })
    })

    describe('with a published range', () => {
      it('keeps equal numbers', async () => {
        await add(publish({ hostPort: 9000, port: 9000, count: 5 }))
        for (const port of [9000, 9002, 9004]) {
          expect(await lab.client.tcp('192.0.2.1', port)).toBe(`a1 192.0.2.2 ${port}`)
        }
        expect(await lab.client.tcp('192.0.2.1', 9005)).toBe('nothing')
      })

      it('keeps the offset between different numbers', async () => {
        await add(publish({ hostPort: 19_001, port: 9000, count: 5 }))
        for (const index of [0, 3, 4]) {
          expect(await lab.client.tcp('192.0.2.1', 19_001 + index)).toBe(`a1 192.0.2.2 ${9000 + index}`)
        }
        expect(await host.tcp('127.0.0.1', 19_002)).toBe('a1 172.30.1.1 9001')
      })

      it('keeps to the host address that was asked for', async () => {
        await add(publish({ hostPort: 9000, port: 9000, count: 5, hostAddress: '192.0.2.1' }))
        expect(await lab.client.tcp('192.0.2.1', 9003)).toBe('a1 192.0.2.2 9003')
        expect(await host.tcp('172.30.1.1', 9003)).toBe('nothing')
      })
    })

    describe('in the gateway mode', () => {
      /** The rules with those of bridge a changed, and further ones. */
      const withA = (change: Partial<BridgeRule>, ...more: readonly Rule[]) =>
        firewall.replaceAll([
          ...bridgeRules().map((rule) => (rule.interface === 'br-a' ? { ...rule, ...change } : rule)),
          ...more,
        ])

      it('nat-unprotected lets others reach every port directly, but not containers of other networks', async () => {
        await withA({ mode: 'nat-unprotected' }, publish({ hostPort: 8080 }))
        const asked = await Promise.all([
          lab.client.tcp('172.30.1.2', 9000),
          lab.client.tcp('fd00:30:1::2', 80),
          lab.far.udp('172.30.1.2', 53),
          lab.far.tcp('192.0.2.1', 8080),
          lab.a1.tcp('192.0.2.2', 80),
          lab.b1.tcp('172.30.1.2', 80),
          lab.b1.tcp('fd00:30:1::2', 80),
          lab.client.tcp('172.30.2.2', 80),
        ])
        expect(asked).toEqual([
          'a1 192.0.2.2 9000',
          'a1 2001:db8::2 80',
          'a1 198.51.100.2 53',
          'a1 198.51.100.2 80',
          'client 192.0.2.1 80',
          'nothing',
          'nothing',
          'nothing',
        ])
      })

      it('routed opens published container ports alone, directly, and translates nothing', async () => {
        const open = { mode: 'route', interface: 'br-a' } as const
        await withA(
          { mode: 'routed' },
          publish({ ...open, hostPort: 0, port: 80 }),
          publish({ ...open, hostPort: 0, port: 80, family: 6 }),
          publish({ ...open, hostPort: 0, port: 9001, count: 3 }),
        )
        const asked = await Promise.all([
          lab.client.tcp('172.30.1.2', 80),
          lab.client.tcp('fd00:30:1::2', 80),
          lab.far.tcp('172.30.1.2', 9003),
          lab.b1.tcp('172.30.1.2', 80),
          lab.a1.tcp('192.0.2.2', 80),
          lab.a1.tcp('2001:db8::2', 80),
          lab.client.tcp('172.30.1.2', 9000),
          lab.client.tcp('172.30.1.3', 80),
          lab.client.tcp('fd00:30:1::3', 80),
          lab.client.udp('172.30.1.2', 53),
          lab.i1.tcp('172.30.1.2', 80),
          lab.client.tcp('192.0.2.1', 80),
        ])
        expect(asked).toEqual([
          'a1 192.0.2.2 80',
          'a1 2001:db8::2 80',
          'a1 198.51.100.2 9003',
          'a1 172.30.1.1 80',
          'client 172.30.1.2 80',
          'client fd00:30:1::2 80',
          ...Array(6).fill('nothing'),
        ])
      })

      it('routed answers pings, which nat does not', async () => {
        const ping = async (address: string): Promise<unknown> => {
          const start = () => spawn('busybox', ['ping', '-c1', '-W1', address], { stdio: 'ignore' }) as never
          const [code] = await once(inNetns<ChildProcess>(lab.client.netns, start), 'exit')
          return code
        }
        const pings = () => Promise.all([ping('172.30.1.2'), ping('fd00:30:1::2')])
        expect(await pings()).toEqual([1, 1])
        await withA({ mode: 'routed' })
        expect(await pings()).toEqual([0, 0])
      })

      it('isolated keeps the host and its containers apart', async () => {
        const isolated = bridgeRules().map((rule) =>
          rule.interface === 'br-i' ? ({ ...rule, mode: 'isolated' } as const) : rule,
        )
        const close = await serveHere('0.0.0.0', 7779)
        try {
          expect(await lab.i1.tcp('172.30.3.1', 7779)).toBe('host')
          await firewall.replaceAll(isolated)
          const asked = await Promise.all([
            lab.i1.tcp('172.30.3.1', 7779),
            lab.i1.tcp('192.0.2.1', 7779),
            host.tcp('172.30.3.2', 80),
            host.tcp('fd00:30:3::2', 80),
            lab.i1.tcp('192.0.2.2', 80),
            lab.client.tcp('172.30.3.2', 80),
          ])
          expect(asked).toEqual(Array(6).fill('nothing'))
        } finally {
          close()
        }
      })

      it('nat takes the source address that was asked for', async () => {
        ip('addr add 192.0.2.5/24 dev out')
        ip('addr add 2001:db8::5/64 dev out nodad')
        await firewall.replaceAll(
          bridgeRules().map((rule) => ({
            ...rule,
            snatAddress: rule.family === 4 ? '192.0.2.5' : '2001:db8::5',
          })),
        )
        expect(await lab.a1.tcp('192.0.2.2', 80)).toBe('client 192.0.2.5 80')
        expect(await lab.b1.tcp('2001:db8::2', 80)).toBe('client 2001:db8::5 80')
        expect(await lab.a1.tcp('172.30.1.3', 80)).toBe('a2 172.30.1.2 80')
      })

      it('nat lets in by an interface what is opened for it, and nothing by others', async () => {
        const open = { mode: 'route', hostPort: 0, hostInterface: 'out', port: 80 } as const
        await withA({})
        await add(
          publish(open),
          publish({ ...open, family: 6 }),
          publish({ ...open, hostInterface: 'nosuch0' }),
        )
        const asked = await Promise.all([
          lab.client.tcp('172.30.1.2', 80),
          lab.client.tcp('fd00:30:1::2', 80),
          lab.far.tcp('172.30.1.2', 80),
          lab.far.tcp('fd00:30:1::2', 80),
          lab.b1.tcp('172.30.1.2', 80),
          lab.client.tcp('172.30.2.2', 80),
          lab.client.tcp('172.30.1.2', 9001),
        ])
        expect(asked).toEqual(['a1 192.0.2.2 80', 'a1 2001:db8::2 80', ...Array(5).fill('nothing')])
      })
    })

    describe('with ports for some only', () => {
      const both = (wish: Partial<PublishRule>, hostPort: number) => [
        publish({ hostPort, ...wish }),
        publish({ hostPort, ...wish, family: 6 }),
      ]

      it('lets in by the interface that was asked for alone, whatever address is used', async () => {
        await add(
          ...both({ hostInterface: 'out' }, 8080),
          publish({ hostPort: 9000, port: 9000, count: 5, hostInterface: 'away' }),
        )
        const asked = await Promise.all([
          lab.client.tcp('192.0.2.1', 8080),
          lab.client.tcp('198.51.100.1', 8080),
          lab.client.tcp('2001:db8::1', 8080),
          lab.far.tcp('198.51.100.1', 9004),
          lab.far.tcp('192.0.2.1', 8080),
          lab.far.tcp('2001:db8::1', 8080),
          host.tcp('192.0.2.1', 8080),
          lab.b1.tcp('192.0.2.1', 8080),
          lab.client.tcp('192.0.2.1', 9004),
        ])
        expect(asked).toEqual([
          'a1 192.0.2.2 80',
          'a1 192.0.2.2 80',
          'a1 2001:db8::2 80',
          'a1 198.51.100.2 9004',
          ...Array(5).fill('nothing'),
        ])
      })

      it('lets in the clients that were named alone', async () => {
        await add(
          publish({ hostPort: 8080, sources: ['192.0.2.0/24', '172.30.2.2/32'] }),
          publish({ hostPort: 8080, family: 6, sources: ['2001:db8::/64'] }),
          publish({ hostPort: 9000, port: 9000, count: 5, sources: ['198.51.0.0/16'] }),
          publish({
            hostPort: 19_000,
            port: 9000,
            count: 5,
            sources: ['192.0.2.2/32'],
            hostInterface: 'out',
          }),
          publish({ hostPort: 8081, sources: ['192.0.2.2/32'], hostAddress: '192.0.2.1' }),
        )
        const asked = await Promise.all([
          lab.client.tcp('192.0.2.1', 8080),
          lab.b1.tcp('192.0.2.1', 8080),
          lab.client.tcp('2001:db8::1', 8080),
          lab.far.tcp('192.0.2.1', 9003),
          lab.client.tcp('192.0.2.1', 19_003),
          lab.client.tcp('192.0.2.1', 8081),
          lab.far.tcp('192.0.2.1', 8080),
          lab.far.tcp('2001:db8::1', 8080),
          host.tcp('127.0.0.1', 8080),
          lab.a2.tcp('192.0.2.1', 8080),
          lab.client.tcp('192.0.2.1', 9003),
          lab.far.tcp('192.0.2.1', 19_003),
          lab.client.tcp('198.51.100.1', 8081),
        ])
        expect(asked).toEqual([
          'a1 192.0.2.2 80',
          'a1 172.30.2.2 80',
          'a1 2001:db8::2 80',
          'a1 198.51.100.2 9003',
          'a1 192.0.2.2 9003',
          'a1 192.0.2.2 80',
          ...Array(7).fill('nothing'),
        ])
      })

      it('limits routed ports in the same way', async () => {
        const open = { mode: 'route', interface: 'br-a' } as const
        await firewall.replaceAll([
          ...bridgeRules().map((rule) => ({ ...rule, mode: 'routed' as const })),
          publish({ ...open, hostPort: 0, port: 80, sources: ['192.0.2.0/24'] }),
          publish({ ...open, hostPort: 0, port: 80, sources: ['2001:db8:1::/48'], family: 6 }),
          publish({ ...open, hostPort: 0, port: 9000, count: 2, hostInterface: 'away' }),
        ])
        const asked = await Promise.all([
          lab.client.tcp('172.30.1.2', 80),
          lab.far.tcp('fd00:30:1::2', 80),
          lab.far.tcp('172.30.1.2', 9001),
          lab.far.tcp('172.30.1.2', 80),
          lab.client.tcp('fd00:30:1::2', 80),
          lab.client.tcp('172.30.1.2', 9001),
        ])
        expect(asked).toEqual([
          'a1 192.0.2.2 80',
          'a1 2001:db8:1::2 80',
          'a1 198.51.100.2 9001',
          ...Array(3).fill('nothing'),
        ])
      })

      it('keeps ports of the loopback addresses from neighbours, where the host lets such packets in', async () => {
        writeSysctl('net/ipv4/conf/out/route_localnet', '1')
        lab.far.ip('route replace 127.0.0.70 via 198.51.100.1')
        lab.client.ip('route replace 127.0.0.70 via 192.0.2.1')
        inNetns(lab.client.netns, () => {
          writeSysctl('net/ipv4/conf/all/route_localnet', '1')
          spawnSync('ip', 'route del local 127.0.0.0/8 dev lo table local'.split(' '))
        })
        const closers = [await serveHere('127.0.0.70', 8070), await serveHere('127.0.0.70', 8071)]
        try {
          await add(
            publish({ hostPort: 8071, hostAddress: '127.0.0.70' }),
            publish({ hostPort: 9070, port: 9000, count: 3, hostAddress: '127.0.0.70' }),
          )
          // who is not published is the host's own affair
          expect(await lab.client.tcp('127.0.0.70', 8070)).toBe('host')
          expect(await lab.client.tcp('127.0.0.70', 8071)).toBe('nothing')
          expect(await host.tcp('127.0.0.70', 8071)).toBe('a1 172.30.1.1 80')
          expect(await host.tcp('127.0.0.70', 9072)).toBe('a1 172.30.1.1 9002')
        } finally {
          for (const close of closers) close()
        }
      })
    })

    describe('with a container that may not reach everything', () => {
      const drops = () =>
        backend === 'nftables'
          ? /counter packets (\d+)/.exec(
              execFileSync('nft', ['list', 'chain', 'ip', 'tsnet', 'egress'], text),
            )?.[1]
          : /\[(\d+):\d+\] -A TSNET-from-\S+ -j DROP/.exec(execFileSync('iptables-save', ['-c'], text))?.[1]
      const text = { encoding: 'utf8' } as const
      let closeHost = () => {}
      let policy: (...entries: EgressEntry[]) => Rule[]
      let allow: (destination: string, port: number) => AllowRule

      beforeAll(async () => {
        const mac = /ether (\S+)/.exec(lab.a1.ip('link show eth0'))?.[1] ?? ''
        const sender = { owner: '0123456789abcdef0123', interface: 'br-a', mac } as const
        policy = (...entries) =>
          ([4, 6] as const).flatMap((family) => egressRules(entries, { ...sender, family }))
        allow = (destination, port) => {
          const family = familyOf(destination)
          return { ...sender, kind: 'allow', family, destination, protocol: port === 0 ? '' : 'tcp', port }
        }
        closeHost = await serveHere('::', 8099)
      })
      afterAll(() => closeHost())

      it('drops what it sends to the outside, other networks and the host, by whatever address, and counts that', async () => {
        const local = inNetns(lab.a1.netns, () => ip('-6 -o addr show dev eth0 scope link'))
        expect(local).toContain('fe80::')
        const gateway = `${/inet6 (fe80\S+)\//.exec(ip('-6 -o addr show dev br-a scope link'))?.[1]}%eth0`
        expect(await lab.a1.tcp('172.30.1.1', 8099)).toBe('host')
        expect(await lab.a1.tcp(gateway, 8099)).toBe('host')
        await add(...policy(), publish({ hostPort: 8092, interface: 'br-b', address: '172.30.2.2' }))
        const asked = await Promise.all([
          lab.a1.tcp('192.0.2.2', 80),
          lab.a1.tcp('2001:db8::2', 80),
          lab.a1.udp('192.0.2.2', 53),
          lab.a1.tcp('172.30.1.1', 8099),
          lab.a1.tcp('192.0.2.1', 8099),
          lab.a1.tcp('fd00:30:1::1', 8099),
          lab.a1.tcp(gateway, 8099),
          lab.a1.tcp('192.0.2.1', 8092),
        ])
        expect(asked).toEqual(Array(8).fill('nothing'))
        expect(Number(drops())).toBeGreaterThanOrEqual(5)
      })

      it('leaves alone its own network, what is asked of it, and its neighbours', async () => {
        await add(...policy(), publish({ hostPort: 8091 }), publish({ hostPort: 8091, family: 6 }))
        expect(await lab.a1.tcp('172.30.1.3', 80)).toBe('a2 172.30.1.2 80')
        expect(await lab.a1.tcp('fd00:30:1::3', 80)).toBe('a2 fd00:30:1::2 80')
        expect(await lab.client.tcp('192.0.2.1', 8091)).toBe('a1 192.0.2.2 80')
        expect(await lab.client.tcp('2001:db8::1', 8091)).toBe('a1 2001:db8::2 80')
        expect(await host.tcp('172.30.1.2', 80)).toBe('a1 172.30.1.1 80')
        expect(await host.tcp('fd00:30:1::2', 80)).toBe('a1 fd00:30:1::1 80')
        expect(await lab.a2.tcp('192.0.2.2', 80)).toBe('client 192.0.2.1 80')
        expect(await lab.a2.tcp('172.30.1.1', 8099)).toBe('host')
      })

      it('lets it reach the subnets, addresses and ports that are allowed, and nothing beside them', async () => {
        await add(
          ...policy(
            { to: '192.0.2.0/24', protocol: 'tcp', port: 80 },
            { to: '192.0.2.2/32', protocol: 'udp', port: 53 },
            { to: '2001:db8:1::2/128', protocol: '', port: 0 },
          ),
        )
        expect(await lab.a1.tcp('192.0.2.2', 80)).toBe('client 192.0.2.1 80')
        expect(await lab.a1.udp('192.0.2.2', 53)).toBe('client 192.0.2.1 53')
        expect(await lab.a1.tcp('2001:db8:1::2', 80)).toBe('far 2001:db8:1::1 80')
        const asked = await Promise.all([
          lab.a1.tcp('198.51.100.2', 80),
          lab.a1.tcp('2001:db8::2', 80),
          lab.a1.udp('198.51.100.2', 53),
          lab.a1.tcp('192.0.2.1', 8099),
        ])
        expect(asked).toEqual(Array(4).fill('nothing'))
      })

      it('goes by the address and port that are dialled, not by those behind a published port', async () => {
        const other = publish({ hostPort: 8092, interface: 'br-b', address: '172.30.2.2' })
        await add(...policy({ to: '192.0.2.1/32', protocol: 'tcp', port: 8092 }), other)
        expect(await lab.a1.tcp('192.0.2.1', 8092)).toMatch(/^b1 /)
        expect(await lab.a1.tcp('192.0.2.1', 8099)).toBe('nothing')
        await firewall.apply({ add: policy({ to: '172.30.2.2/32', protocol: '', port: 0 }), remove: [] })
        expect(await lab.a1.tcp('172.30.1.1', 8092)).toBe('nothing')
      })

      it('takes destinations that come and go, also within an allowed subnet, and is gone without a trace', async () => {
        const standing = ruleset()
        const rules = policy({ to: '192.0.2.0/24', protocol: 'tcp', port: 81 })
        await add(...rules)
        const restricted = ruleset()
        const batch = {
          add: [allow('192.0.2.2/32', 80), allow('192.0.2.2/32', 81), allow('2001:db8::2/128', 0)],
          remove: [],
        }
        await firewall.apply(batch)
        expect(await lab.a1.tcp('192.0.2.2', 80)).toBe('client 192.0.2.1 80')
        expect(await lab.a1.tcp('2001:db8::2', 80)).toMatch(/^client /)
        await firewall.apply(inverse(batch))
        expect(ruleset()).toEqual(restricted)
        expect(await lab.a1.tcp('192.0.2.2', 80)).toBe('nothing')
        await firewall.apply({ add: [], remove: rules })
        expect(ruleset()).toEqual(standing)
      })
    })

    describe('as a transaction', () => {
      const batch: Batch = {
        add: [
          publish({ hostPort: 8081 }),
          publish({ hostPort: 8081, family: 6 }),
          publish({ hostPort: 9000, port: 9000, count: 5 }),
          publish({ hostPort: 9500, port: 9000, count: 5, hostAddress: '192.0.2.1' }),
          { ...bridgeRules()[0]!, interface: 'br-x', subnet: '172.30.9.0/24', owner: 'feedfeedfeed' },
        ],
        remove: [bridgeRules()[2]!],
      }

      it('is restored exactly by the inverse batch', async () => {
        const standing = ruleset()
        await firewall.apply(batch)
        expect(ruleset()).not.toEqual(standing)
        await firewall.apply(inverse(batch))
        expect(ruleset()).toEqual(standing)
      })

      it('takes adding what stands and removing what is gone as nothing', async () => {
        await firewall.apply(batch)
        const standing = ruleset()
        await firewall.apply(batch)
        await firewall.apply({ add: [], remove: [publish({ hostPort: 1 })] })
        expect(ruleset()).toEqual(standing)
      })

      it('changes nothing when one rule of a batch is refused', async () => {
        const standing = ruleset()
        const bad = publish({ hostPort: 8082, protocol: 'nope' as never })
        await expect(
          add(publish({ hostPort: 8083 }), publish({ hostPort: 8083, family: 6 }), bad),
        ).rejects.toThrow(/nope|protocol|line/)
        expect(ruleset()).toEqual(standing)
        await add(publish({ hostPort: 8084 }))
        expect(await lab.client.tcp('192.0.2.1', 8084)).toBe('a1 192.0.2.2 80')
      })

      it('refuses a rule whose addresses are none, before the kernel sees it', async () => {
        const standing = ruleset()
        await expect(add(publish({ hostPort: 8082, address: '172.30.1.999' }))).rejects.toThrow(
          'firewall rule of 0123456789abcdef0123: "172.30.1.999" is not an IPv4 address',
        )
        expect(ruleset()).toEqual(standing)
      })

      it('lets a refused batch spoil none of those asked for at the same time', async () => {
        const bad = publish({ hostPort: 8082, protocol: 'nope' as never })
        const results = await Promise.allSettled([
          add(publish({ hostPort: 8085 })),
          add(bad),
          add(publish({ hostPort: 8086 })),
        ])
        expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
        expect(await lab.client.tcp('192.0.2.1', 8086)).toBe('a1 192.0.2.2 80')
      })

      it('makes everything anew after somebody flushed the rules', async () => {
        await add(publish({ hostPort: 8080 }))
        if (backend === 'nftables') execFileSync('nft', ['delete table ip tsnet'])
        else
          execFileSync('iptables-save | grep -v -e TSNET -e tsnet | iptables-restore', { shell: '/bin/sh' })
        expect(await lab.client.tcp('192.0.2.1', 8080)).toBe('nothing')
        await firewall.apply({ add: [publish({ hostPort: 8081 })], remove: [publish({ hostPort: 8080 })] })
        expect(await lab.client.tcp('192.0.2.1', 8081)).toBe('a1 192.0.2.2 80')
        const asked = await Promise.all([lab.client.tcp('192.0.2.1', 8080), lab.client.tcp('172.30.1.2', 80)])
        expect(asked).toEqual(Array(2).fill('nothing'))
      })
    })

    describe('beside others', () => {
      it('takes over what a former process left', async () => {
        await add(publish({ hostPort: 8080 }))
        const next = createFirewall({ backend, instance: '', log })
        await next.replaceAll([...bridgeRules(), publish({ hostPort: 8081 })])
        const standing = ruleset()
        await firewall.replaceAll([...bridgeRules(), publish({ hostPort: 8081 })])
        expect(ruleset()).toEqual(standing)
        expect(await lab.client.tcp('192.0.2.1', 8080)).toBe('nothing')
        expect(await lab.client.tcp('192.0.2.1', 8081)).toBe('a1 192.0.2.2 80')
        next.close()
      })

      it('takes over what a former process left in the other backend', async () => {
        await firewall.clear()
        const empty = withoutBuiltIn(ruleset())
        const other = createFirewall({
          backend: backend === 'nftables' ? 'iptables' : 'nftables',
          instance: '',
          log,
        })
        await other.replaceAll([...bridgeRules(), publish({ hostPort: 8080 })])
        other.close()
        await firewall.replaceAll(bridgeRules())
        expect(await lab.client.tcp('192.0.2.1', 8080)).toBe('nothing')
        await firewall.clear()
        expect(withoutBuiltIn(ruleset())).toEqual(empty)
      })

      it('shares a namespace with another instance', async () => {
        const other = createFirewall({ backend, instance: 'second12', log })
        await other.replaceAll([])
        const rule = publish({ hostPort: 8088, owner: 'second' })
        await other.apply({
          add: [{ ...bridgeRules()[0]!, interface: 'br-other', subnet: '10.99.0.0/24' }, rule],
          remove: [],
        })
        await firewall.replaceAll(bridgeRules())
        expect(await lab.client.tcp('192.0.2.1', 8088)).toBe('a1 192.0.2.2 80')
        await other.clear()
        other.close()
        expect(await lab.client.tcp('172.30.1.2', 80)).toBe('nothing')
      })

      it('asks the user chain first and never empties it', async () => {
        await add(publish({ hostPort: 8080 }))
        const [program, ...rule] =
          backend === 'nftables'
            ? ['nft', 'add', 'rule', 'ip', 'tsnet', 'user', 'ip', 'saddr', '192.0.2.2', 'drop']
            : ['iptables', '-A', 'TSNET-USER', '-s', '192.0.2.2', '-j', 'DROP']
        execFileSync(program!, rule)
        expect(await lab.client.tcp('192.0.2.1', 8080)).toBe('nothing')
        await firewall.replaceAll([...bridgeRules(), publish({ hostPort: 8080 })])
        await firewall.clear()
        await firewall.replaceAll([...bridgeRules(), publish({ hostPort: 8080 })])
        expect(await lab.client.tcp('192.0.2.1', 8080)).toBe('nothing')
        if (backend === 'nftables') execFileSync('nft', ['flush chain ip tsnet user'])
        else execFileSync('iptables', ['-F', 'TSNET-USER'])
        expect(await lab.client.tcp('192.0.2.1', 8080)).toBe('a1 192.0.2.2 80')
      })

      it('leaves alone what the host forwards between others, and their bridges', async () => {
        const directory = mkdtempSync(join(tmpdir(), 'tsnet-foreign-'))
        ip('link add br-foreign type bridge')
        ip('addr add 10.77.0.1/24 dev br-foreign')
        ip('link set br-foreign up')
        const [one, two] = [2, 3].map((last) => {
          const place = new Place(`foreign${last}`, directory)
          ip(`link add f${last} type veth peer name eth0 netns ${place.path}`)
          ip(`link set f${last} master br-foreign up`)
          place.ip(`addr add 10.77.0.${last}/24 dev eth0`)
          place.ip('link set eth0 up')
          place.ip('route add default via 10.77.0.1')
          return place
        }) as [Place, Place]
        await two.serveTcp(4, 80)
        const hasBridgeNetfilter = existsSync('/proc/sys/net/bridge')
        const expectUntouched = async () => {
          const asked = await Promise.all([
            one.tcp('10.77.0.3', 80),
            one.tcp('192.0.2.2', 80),
            lab.client.tcp('10.77.0.3', 80),
            lab.client.tcp('198.51.100.2', 80),
            lab.far.tcp('2001:db8::2', 80),
            lab.far.udp('192.0.2.2', 53),
          ])
          expect(asked).toEqual([
            'foreign3 10.77.0.2 80',
            'client 10.77.0.2 80',
            'foreign3 192.0.2.2 80',
            'far 192.0.2.2 80',
            'client 2001:db8:1::2 80',
            'client 198.51.100.2 53',
          ])
          expect(existsSync('/proc/sys/net/bridge')).toBe(hasBridgeNetfilter)
        }
        try {
          await firewall.clear()
          await expectUntouched()
          await firewall.replaceAll([...bridgeRules(), publish({ hostPort: 80 })])
          await expectUntouched()
          await firewall.clear()
          await expectUntouched()
        } finally {
          for (const place of [one, two]) place.close()
          ip('link del br-foreign')
          rmSync(directory, { recursive: true })
        }
      })

      it('leaves no trace behind, and foreign rules as they were', async () => {
        await add(publish({ hostPort: 8080 }), publish({ hostPort: 8080, family: 6 }))
        const foreign = (lines: string[]) => lines.filter((line) => /foreign|192\.0\.2\.77/.test(line))
        expect(foreign(ruleset())).toEqual(foreign(before))
        await firewall.clear()
        expect(withoutBuiltIn(ruleset())).toEqual(withoutBuiltIn(before))
      })
    })

    it('applies one port in little time, among 5,000 as among few', async () => {
      const time = async (body: () => Promise<void>) => {
        const start = performance.now()
        await body()
        return performance.now() - start
      }
      const median = async (from: number) => {
        const times: number[] = []
        for (let port = from; port < from + 15; port++)
          times.push(await time(() => add(publish({ hostPort: port }))))
        return times.sort((x, y) => x - y)[7]!
      }
      const few = await median(10_000)
      const many = await time(() =>
        add(...Array.from({ length: 5000 }, (_, i) => publish({ hostPort: 20_000 + i }))),
      )
      const among = await median(11_000)
      const removal = await time(() => firewall.apply({ add: [], remove: [publish({ hostPort: 11_003 })] }))
      const ms = (value: number) => `${value.toFixed(2)} ms`
      console.log(
        `${backend}: one port ${ms(few)}, 5,000 at once ${ms(many)}, one among them ${ms(among)}, one off ${ms(removal)}`,
      )
      expect(await lab.client.tcp('192.0.2.1', 24_999)).toBe('a1 192.0.2.2 80')
      // Where each port is a step of its own through all that stand, it is a hundred times as much.
      expect(among).toBeLessThan(few * 4 + 10)
    })

    describe('as the redirect of the name service', () => {
      it('leads port 53 of 127.0.0.11 to the given ports and leaves port 53 to the container', async () => {
        const redirect = createDnsRedirect(backend)
        await lab.b1.serveUdp(4, 40_001, '127.0.0.11')
        await lab.b1.serveTcp(4, 40_002, '127.0.0.11')
        await lab.b1.serveTcp(4, 53)
        const start = performance.now()
        await redirect(lab.b1.netns, { udp: 40_001, tcp: 40_002 })
        console.log(`${backend}: redirect ${(performance.now() - start).toFixed(2)} ms`)
        expect(await lab.b1.udp('127.0.0.11', 53)).toBe('b1 127.0.0.1 40001')
        expect(await lab.b1.tcp('127.0.0.11', 53)).toBe('b1 127.0.0.1 40002')
        expect(await lab.b1.tcp('127.0.0.1', 53)).toBe('b1 127.0.0.1 53')
      })

      it('is replaced by a second call', async () => {
        const redirect = createDnsRedirect(backend)
        await lab.b1.serveUdp(4, 40_003, '127.0.0.11')
        await redirect(lab.b1.netns, { udp: 40_001, tcp: 40_002 })
        await redirect(lab.b1.netns, { udp: 40_003, tcp: 40_002 })
        expect(await lab.b1.udp('127.0.0.11', 53)).toBe('b1 127.0.0.1 40003')
      })
    })
  })
}

const FOREIGN_IPTABLES = `*filter
:FOREIGN - [0:0]
-A FORWARD -s 192.0.2.77/32 -m comment --comment foreign -j FOREIGN
-A FOREIGN -j DROP
COMMIT
*nat
-A PREROUTING -d 192.0.2.77/32 -p tcp -m comment --comment foreign -j DNAT --to-destination 192.0.2.78
COMMIT
`

const FOREIGN_NFTABLES = `table inet foreign {
  set foreign-addresses { type ipv4_addr; elements = { 192.0.2.77 }; }
  chain foreign-input { type filter hook input priority 10; ip saddr @foreign-addresses drop; }
}
`

function writeSysctl(name: string, value: string): void {
  writeFileSync(`/proc/sys/${name}`, value)
}

/** A server of the host's that says 'host'; returns what closes it. */
async function serveHere(address: string, port: number): Promise<() => void> {
  const server = net.createServer((socket) => socket.end('host'))
  await new Promise<void>((resolve) => server.listen(port, address, resolve))
  return () => server.close()
}
