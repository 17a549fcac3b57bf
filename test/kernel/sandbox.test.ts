import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { veth } from '../../src/netlink/kinds/veth.ts'
import { createLink, getLink, setLink } from '../../src/netlink/link.ts'
import { openRouteSocket } from '../../src/netlink/socket.ts'
import { configureInterface, type InterfaceSpec } from '../../src/sandbox/interface.ts'
import {
  adoptSandbox,
  listSandboxes,
  openSandbox,
  removeSandbox,
  type Sandbox,
} from '../../src/sandbox/sandbox.ts'
import { inNetns } from '../../src/sys/netns.ts'
import { enterThrowAwayNetns, ip } from '../helpers/firewall-lab.ts'

let execRoot: string

beforeAll(enterThrowAwayNetns)

beforeEach(() => {
  execRoot = mkdtempSync(join(tmpdir(), 'tsnet-sandbox-'))
})

afterEach(() => {
  for (const id of listSandboxes(execRoot)) removeSandbox(execRoot, id)
  rmSync(execRoot, { recursive: true })
})

function ipJson(sandbox: Sandbox, command: string): Record<string, unknown>[] {
  return JSON.parse(inNetns(sandbox.netns, () => ip(`-j ${command}`)) || '[]')
}

function sysctl(sandbox: Sandbox, name: string): string {
  return inNetns(sandbox.netns, () => readFileSync(`/proc/sys/${name}`, 'utf8').trim())
}

test('a new sandbox is an empty namespace with loopback up in both families', () => {
  using sandbox = openSandbox({ execRoot, id: 'abc' })
  expect(sandbox.path).toBe(`${execRoot}/netns/abc`)
  expect(ipJson(sandbox, 'addr')).toMatchObject([
    {
      ifname: 'lo',
      flags: expect.arrayContaining(['UP']),
      addr_info: [{ local: '127.0.0.1' }, { local: '::1' }],
    },
  ])
})

test('every user of a sandbox may take low ports and ping, and the host’s own settings stay', () => {
  const before = readFileSync('/proc/sys/net/ipv4/ping_group_range', 'utf8')
  using sandbox = openSandbox({ execRoot, id: 'abc' })
  expect(sysctl(sandbox, 'net/ipv4/ip_unprivileged_port_start')).toBe('0')
  expect(sysctl(sandbox, 'net/ipv4/ping_group_range')).toBe('0\t2147483647')
  expect(readFileSync('/proc/sys/net/ipv4/ping_group_range', 'utf8')).toBe(before)
})

test('a sandbox lives on without its handle and is adopted as it was', () => {
  const first = openSandbox({ execRoot, id: 'abc' })
  inNetns(first.netns, () => ip('link add mark type bridge'))
  first[Symbol.dispose]()
  expect(listSandboxes(execRoot)).toEqual(['abc'])
  using again = adoptSandbox({ execRoot, id: 'abc' })
  expect(ipJson(again, 'link show mark')).toHaveLength(1)
})

test('a sandbox that stands is not opened over', () => {
  using _sandbox = openSandbox({ execRoot, id: 'abc' })
  expect(() => openSandbox({ execRoot, id: 'abc' })).toThrow(/EEXIST/)
  using again = adoptSandbox({ execRoot, id: 'abc' })
  expect(ipJson(again, 'link')).toHaveLength(1)
})

test('removing twice leaves neither a mount nor a file', () => {
  openSandbox({ execRoot, id: 'abc' })[Symbol.dispose]()
  removeSandbox(execRoot, 'abc')
  removeSandbox(execRoot, 'abc')
  expect(existsSync(`${execRoot}/netns/abc`)).toBe(false)
  expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(execRoot)
  expect(() => adoptSandbox({ execRoot, id: 'abc' })).toThrow(/ENOENT/)
})

test('an exec-root without sandboxes has none to list', () => {
  expect(listSandboxes(join(execRoot, 'no-such'))).toEqual([])
})

/** A sandbox with a link `eth0` in it whose other end is up in the same sandbox. */
function withLink(): Sandbox {
  const sandbox = openSandbox({ execRoot, id: 'abc' })
  using socket = openRouteSocket(sandbox.netns)
  createLink(socket, { name: 'eth0', kind: veth({ name: 'far' }) })
  setLink(socket, getLink(socket, 'far').index, { up: true })
  return sandbox
}

const wanted: InterfaceSpec = {
  name: 'eth0',
  address4: '10.1.0.2/24',
  address6: '',
  linkLocal: [],
  gateway4: '10.1.0.1',
  gateway6: '',
  sysctls: {},
}

function addresses(sandbox: Sandbox): string[] {
  const [view] = ipJson(sandbox, 'addr show eth0')
  return (view!['addr_info'] as { local: string; prefixlen: number }[]).map(
    (a) => `${a.local}/${a.prefixlen}`,
  )
}

test('an interface without an IPv6 address has no IPv6 at all', () => {
  using sandbox = withLink()
  configureInterface(sandbox, wanted)
  expect(sysctl(sandbox, 'net/ipv6/conf/eth0/disable_ipv6')).toBe('1')
  const [view] = ipJson(sandbox, 'addr show eth0')
  expect((view!['addr_info'] as { local: string }[]).map(({ local }) => local)).toEqual(['10.1.0.2'])
})

test('an interface with an IPv6 address has it switched on, whatever the namespace begins with', () => {
  using sandbox = withLink()
  configureInterface(sandbox, wanted)
  configureInterface(sandbox, { ...wanted, address6: 'fd00::2/64', gateway6: 'fd00::1' })
  expect(ipJson(sandbox, '-6 route show default')).toMatchObject([{ gateway: 'fd00::1', dev: 'eth0' }])
})

test('link-local addresses are on the interface, of IPv6 too where it has no other', () => {
  using sandbox = withLink()
  configureInterface(sandbox, { ...wanted, linkLocal: ['169.254.7.7', 'fe80::7'] })
  expect(addresses(sandbox)).toEqual(expect.arrayContaining(['10.1.0.2/24', '169.254.7.7/16', 'fe80::7/64']))
})

test('a default route without a next hop goes to the link itself', () => {
  using sandbox = withLink()
  configureInterface(sandbox, { ...wanted, address6: 'fd00::2/64', gateway4: '0.0.0.0', gateway6: '::' })
  for (const family of ['-4', '-6']) {
    const routes = ipJson(sandbox, `${family} route show default`)
    expect(routes).toMatchObject([{ dev: 'eth0' }])
    expect(routes[0]).not.toHaveProperty('gateway')
  }
})

test('sysctls of the interface are set, and one that the kernel does not have is named', () => {
  using sandbox = withLink()
  configureInterface(sandbox, { ...wanted, sysctls: { 'net/ipv4/conf/eth0/log_martians': '1' } })
  expect(sysctl(sandbox, 'net/ipv4/conf/eth0/log_martians')).toBe('1')
  const odd = { ...wanted, sysctls: { 'net/ipv4/conf/eth0/colour': '1' } }
  expect(() => configureInterface(sandbox, odd)).toThrow(
    expect.objectContaining({
      kind: 'invalid',
      message: '/proc/sys/net/ipv4/conf/eth0/colour is not a sysctl file (ENOENT)',
    }),
  )
  const loud = { ...wanted, sysctls: { 'net/ipv4/conf/eth0/log_martians': 'very' } }
  expect(() => configureInterface(sandbox, loud)).toThrow(/does not take 'very'/)
})

test('configuring twice is the same as once', () => {
  using sandbox = withLink()
  configureInterface(sandbox, wanted)
  const once = [ipJson(sandbox, '-4 addr'), ipJson(sandbox, 'route')]
  configureInterface(sandbox, wanted)
  expect([ipJson(sandbox, '-4 addr'), ipJson(sandbox, 'route')]).toEqual(once)
})

test('a link that is not in the sandbox is an error of kind not-found', () => {
  using sandbox = openSandbox({ execRoot, id: 'abc' })
  expect(() => configureInterface(sandbox, wanted)).toThrow(expect.objectContaining({ kind: 'not-found' }))
})
