/** What netlink/ says and does against what ip(8) shows, in a throw-away network namespace. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addAddress, listAddresses, removeAddress } from '../../src/netlink/address.ts'
import { type NetlinkEvent, watchEvents } from '../../src/netlink/events.ts'
import { bridge, decodeBridge, setBridgePort } from '../../src/netlink/kinds/bridge.ts'
import { macvlan } from '../../src/netlink/kinds/macvlan.ts'
import { veth } from '../../src/netlink/kinds/veth.ts'
import { vxlan } from '../../src/netlink/kinds/vxlan.ts'
import { createLink, findLink, getLink, ifinfomsg, isUp, listLinks, setLink } from '../../src/netlink/link.ts'
import { removeLink } from '../../src/netlink/link-removal.ts'
import { listNeighbours, removeNeighbour, setNeighbour } from '../../src/netlink/neighbour.ts'
import { listRoutes, removeRoute, setRoute } from '../../src/netlink/route.ts'
import { openRouteSocket, type RouteSocket } from '../../src/netlink/socket.ts'
import { RTM_DELLINK } from '../../src/sys/constants/rtnetlink.ts'
import { enterThrowAwayNetns, ip, Place } from '../helpers/firewall-lab.ts'

function ipJson(command: string): Record<string, unknown>[] {
  return JSON.parse(ip(`-j ${command}`) || '[]')
}

let socket: RouteSocket

beforeAll(enterThrowAwayNetns)

beforeEach(() => {
  socket = openRouteSocket()
})

afterEach(async () => {
  for (const link of listLinks(socket)) {
    if (link.name !== 'lo') await removeLink(link.index)
  }
  socket.close()
})

/** A bridge that is up; returns its index. */
function upBridge(name = 'br-x'): number {
  createLink(socket, { name, kind: bridge({ stp: false }), up: true })
  return getLink(socket, name).index
}

describe('links', () => {
  test('a bridge is created with all its settings in one request', () => {
    createLink(socket, {
      name: 'br-x',
      kind: bridge({ stp: true, multicastSnooping: false }),
      up: true,
      mtu: 1400,
      address: '02:00:00:00:00:01',
    })
    expect(ipJson('-d link show br-x')).toMatchObject([
      {
        mtu: 1400,
        address: '02:00:00:00:00:01',
        flags: expect.arrayContaining(['UP']),
        linkinfo: { info_kind: 'bridge', info_data: { stp_state: 1, mcast_snooping: 0 } },
      },
    ])
    const link = getLink(socket, 'br-x')
    expect(link).toMatchObject({ kind: 'bridge', mtu: 1400, address: '02:00:00:00:00:01', alias: '' })
    expect([isUp(link), decodeBridge(link.data)]).toEqual([true, { stp: true, multicastSnooping: false }])
  })

  test('a veth’s far end is born in another namespace, and dies with the near end', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tsnet-netlink-'))
    const place = new Place('far', directory)
    try {
      const peer = { name: 'eth0', mtu: 1300, address: '02:00:00:00:00:05', netns: place.netns }
      createLink(socket, { name: 'v0', kind: veth(peer), mtu: 1300 })
      expect(JSON.parse(place.ip('-j link show eth0'))).toMatchObject([
        { mtu: 1300, address: '02:00:00:00:00:05' },
      ])
      expect(findLink(socket, 'eth0')).toBeNull()
      using inside = openRouteSocket(place.netns)
      expect(listLinks(inside).map(({ name }) => name)).toEqual(['lo', 'eth0'])
      await removeLink(getLink(socket, 'v0').index)
      expect(findLink(inside, 'eth0')).toBeNull()
    } finally {
      place.close()
      rmSync(directory, { recursive: true })
    }
  })

  test('one request renames, tags, enslaves and brings up', () => {
    const master = upBridge()
    createLink(socket, { name: 'v0', kind: veth({ name: 'v1' }) })
    const { index } = getLink(socket, 'v0')
    setLink(socket, index, { name: 'port0', alias: 'tsnet:x', master, up: true })
    expect(ipJson('link show port0')).toMatchObject([{ ifindex: index, master: 'br-x', ifalias: 'tsnet:x' }])
    expect(isUp(getLink(socket, index))).toBe(true)
    setLink(socket, index, { master: 0, up: false })
    expect(getLink(socket, index)).toMatchObject({ master: 0, alias: 'tsnet:x' })
    expect(isUp(getLink(socket, index))).toBe(false)
  })

  test('a link is moved to another namespace with its name', () => {
    const directory = mkdtempSync(join(tmpdir(), 'tsnet-netlink-'))
    const place = new Place('far', directory)
    try {
      createLink(socket, { name: 'v0', kind: veth({ name: 'v1' }) })
      setLink(socket, getLink(socket, 'v1').index, { name: 'eth0', netns: place.netns })
      expect(JSON.parse(place.ip('-j link show eth0'))).toHaveLength(1)
    } finally {
      place.close()
      rmSync(directory, { recursive: true })
    }
  })

  test('a bridge’s port is isolated', () => {
    const master = upBridge()
    createLink(socket, { name: 'v0', kind: veth({ name: 'v1' }), master })
    setBridgePort(socket, getLink(socket, 'v0').index, { isolated: true, hairpin: true, locked: true })
    const [port] = ipJson('-d link show v0')
    expect(port).toMatchObject({
      linkinfo: { info_slave_data: { isolated: true, hairpin: true, learning: true } },
    })
  })

  test('macvlan and vxlan have the settings that ip(8) reads', () => {
    const parent = upBridge()
    createLink(socket, { name: 'm0', kind: macvlan('private'), parent })
    createLink(socket, {
      name: 'x0',
      kind: vxlan({ vni: 4097, local: 'fd00::1', port: 4789, learning: false }),
    })
    expect(ipJson('-d link show m0')).toMatchObject([
      { link: 'br-x', linkinfo: { info_kind: 'macvlan', info_data: { mode: 'private' } } },
    ])
    expect(ipJson('-d link show x0')).toMatchObject([
      {
        linkinfo: {
          info_kind: 'vxlan',
          info_data: { id: 4097, local6: 'fd00::1', port: 4789, learning: false },
        },
      },
    ])
  })

  test('a list of many links is whole, and the same as ip(8)’s', () => {
    for (let i = 0; i < 80; i++) createLink(socket, { name: `many${i}`, kind: bridge({ stp: false }) })
    createLink(socket, { name: 'v0', kind: veth({ name: 'v1' }) })
    const names = listLinks(socket).map(({ name, index }) => [index, name])
    expect(names).toEqual(ipJson('link').map(({ ifindex, ifname }) => [ifindex, ifname]))
    expect(names).toHaveLength(83)
    expect(
      listLinks(socket, 'veth')
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['v0', 'v1'])
  })

  test('a list read while links come and go has every link that stays', async () => {
    const stay = Array.from({ length: 60 }, (_, i) => `stay${i}`)
    for (const name of stay) createLink(socket, { name, kind: bridge({ stp: false }) })
    const script = 'while :; do ip link add come type bridge; ip link del come; done'
    const child = spawn('sh', ['-c', script], { stdio: 'ignore' })
    const ended = once(child, 'close')
    try {
      await delay(50)
      let seen = 0
      for (let round = 0; round < 400; round++) {
        const names = listLinks(socket).map(({ name }) => name)
        expect(names).toEqual(expect.arrayContaining(stay))
        expect(new Set(names).size).toBe(names.length)
        if (names.includes('come')) seen++
      }
      expect(seen).toBeGreaterThan(0)
    } finally {
      child.kill('SIGKILL')
      await ended
    }
  })

  test('a taken name is refused in words, and the socket works on', () => {
    upBridge()
    expect(() => createLink(socket, { name: 'br-x', kind: bridge({ stp: false }) })).toThrow(
      expect.objectContaining({ kind: 'conflict', message: 'RTM_NEWLINK br-x: EEXIST, file already exists' }),
    )
    expect(getLink(socket, 'br-x').kind).toBe('bridge')
  })

  test('the kernel’s own words are part of the message', () => {
    const index = upBridge()
    expect(() => setLink(socket, index, { mtu: 10_000_000 })).toThrow(
      /EINVAL.* \(kernel: mtu greater than device maximum\)/,
    )
  })

  test('what is not there is null to find, an error to get, and nothing to remove', async () => {
    expect(findLink(socket, 'none')).toBeNull()
    expect(findLink(socket, 4242)).toBeNull()
    expect(() => getLink(socket, 'none')).toThrow(expect.objectContaining({ kind: 'not-found' }))
    await removeLink(4242)
  })

  test('a removal resolves when the link is gone, and leaves the event loop free meanwhile', async () => {
    const index = upBridge()
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const removal = removeLink(index)
    expect(getLink(socket, 'lo').index).toBe(1)
    await removal
    expect(findLink(socket, index)).toBeNull()
    clearInterval(timer)
  })

  test('a socket that waits for the kernel refuses other questions', async () => {
    const body = ifinfomsg.encode({ index: upBridge() })
    const waiting = socket.actInBackground({ type: RTM_DELLINK, flags: 0, body, subject: 'br-x' })
    expect(() => getLink(socket, 'lo')).toThrow(/asked while the socket waits/)
    await waiting
  })
})

describe('addresses', () => {
  test('both families are as ip(8) sets them, usable at once, and adding twice is harmless', () => {
    const index = upBridge()
    for (const cidr of ['10.1.0.2/24', '10.1.0.2/24', 'fd00::2/64', 'fd00::2/64'])
      addAddress(socket, index, cidr)
    const [view] = ipJson('addr show br-x')
    const addresses = (view!['addr_info'] as Record<string, unknown>[]).filter(
      ({ scope }) => scope === 'global',
    )
    expect(addresses).toMatchObject([
      { local: '10.1.0.2', prefixlen: 24, broadcast: '10.1.0.255' },
      { local: 'fd00::2', prefixlen: 64, nodad: true },
    ])
    expect(addresses.some((address) => 'tentative' in address)).toBe(false)
    expect(listAddresses(socket, index).map(({ cidr }) => cidr)).toEqual(
      expect.arrayContaining(['10.1.0.2/24', 'fd00::2/64']),
    )
  })

  test('removing leaves the others, and twice is harmless', () => {
    const index = upBridge()
    addAddress(socket, index, '10.1.0.2/24')
    addAddress(socket, index, '10.2.0.2/24')
    removeAddress(socket, index, '10.1.0.2/24')
    removeAddress(socket, index, '10.1.0.2/24')
    const left = listAddresses(socket, index).filter(({ family }) => family === 4)
    expect(left.map(({ cidr }) => cidr)).toEqual(['10.2.0.2/24'])
  })

  test('a list without a link covers the namespace', () => {
    expect(listAddresses(socket).map(({ cidr }) => cidr)).toContain('127.0.0.1/8')
  })
})

describe('routes', () => {
  test('default routes of both families are as ip(8) shows them, and are replaced, not doubled', () => {
    const index = upBridge()
    addAddress(socket, index, '10.1.0.2/24')
    addAddress(socket, index, 'fd00::2/64')
    for (const last of [1, 9]) {
      setRoute(socket, { destination: '0.0.0.0/0', gateway: `10.1.0.${last}`, index })
      setRoute(socket, { destination: '::/0', gateway: `fd00::${last}`, index })
    }
    expect(ipJson('route show default')).toMatchObject([{ gateway: '10.1.0.9', dev: 'br-x' }])
    expect(ipJson('-6 route show default')).toMatchObject([{ gateway: 'fd00::9', dev: 'br-x' }])
    expect(listRoutes(socket, 4).filter(({ gateway }) => gateway !== '')).toMatchObject([
      { destination: '0.0.0.0/0', gateway: '10.1.0.9', index },
    ])
    expect(listRoutes(socket, 6).filter(({ gateway }) => gateway !== '')).toMatchObject([
      { destination: '::/0', gateway: 'fd00::9', index },
    ])
  })

  test('a route through the link itself needs no gateway', () => {
    const index = upBridge()
    setRoute(socket, { destination: '10.2.0.0/16', gateway: '', index })
    expect(ipJson('route show 10.2.0.0/16')).toMatchObject([{ dev: 'br-x', scope: 'link' }])
    removeRoute(socket, { destination: '10.2.0.0/16', gateway: '', index })
    removeRoute(socket, { destination: '10.2.0.0/16', gateway: '', index })
    expect(ipJson('route show 10.2.0.0/16')).toEqual([])
  })

  test('a gateway that no subnet has is refused in the kernel’s words', () => {
    const index = upBridge()
    expect(() => setRoute(socket, { destination: '0.0.0.0/0', gateway: '10.9.9.9', index })).toThrow(
      /^RTM_NEWROUTE 0\.0\.0\.0\/0 via 10\.9\.9\.9 on link \d+: ENETUNREACH, .*\(kernel: Nexthop has invalid gateway\)/,
    )
  })
})

describe('neighbours', () => {
  test.each([
    [4, '10.1.0.7'],
    [6, 'fd00::7'],
  ] as const)('an IPv%d entry is permanent until it is removed', (family, address) => {
    const index = upBridge()
    setNeighbour(socket, index, address, '02:00:00:00:00:07')
    setNeighbour(socket, index, address, '02:00:00:00:00:08')
    expect(ipJson(`neigh show ${address} dev br-x`)).toMatchObject([
      { lladdr: '02:00:00:00:00:08', state: ['PERMANENT'] },
    ])
    expect(listNeighbours(socket, family)).toContainEqual({
      index,
      address,
      mac: '02:00:00:00:00:08',
      state: 0x80,
    })
    removeNeighbour(socket, index, address)
    removeNeighbour(socket, index, address)
    expect(listNeighbours(socket, family).filter((entry) => entry.address === address)).toEqual([])
  })
})

describe('events', () => {
  async function until(condition: () => boolean): Promise<void> {
    const end = Date.now() + 2000
    while (!condition() && Date.now() < end) await delay(5)
    expect(condition()).toBe(true)
  }

  test('links and addresses that come and go are told, until the watch is disposed of', async () => {
    const events: NetlinkEvent[] = []
    const watch = watchEvents((event) => events.push(event))
    const index = upBridge()
    addAddress(socket, index, '10.1.0.2/24')
    await until(() =>
      events.some((event) => event.type === 'address' && event.address.cidr === '10.1.0.2/24'),
    )
    expect(
      events.some((event) => event.type === 'link' && event.link.name === 'br-x' && isUp(event.link)),
    ).toBe(true)
    await removeLink(index)
    await until(() => events.some((event) => event.type === 'link-removed' && event.link.index === index))
    expect(events.some((event) => event.type === 'address-removed')).toBe(true)
    watch[Symbol.dispose]()
    const seen = events.length
    upBridge()
    await delay(50)
    expect(events).toHaveLength(seen)
  })

  test('a port that leaves its bridge is not told as a link that is gone', async () => {
    const master = upBridge()
    createLink(socket, { name: 'v0', kind: veth({ name: 'v1' }), master })
    const events: NetlinkEvent[] = []
    using _watch = watchEvents((event) => events.push(event))
    const { index } = getLink(socket, 'v0')
    setLink(socket, index, { master: 0 })
    await until(() =>
      events.some((event) => event.type === 'link' && event.link.index === index && event.link.master === 0),
    )
    expect(events.filter(({ type }) => type === 'link-removed')).toEqual([])
  })

  test('all who listen hear the same by one socket, each of what came after it, and until it is disposed of', async () => {
    const sockets = () => readdirSync('/proc/self/fd').length
    const [early, late]: NetlinkEvent[][] = [[], []]
    const before = sockets()
    const first = watchEvents((event) => early!.push(event))
    const opened = sockets()
    upBridge()
    using _second = watchEvents((event) => late!.push(event))
    expect([opened, sockets()]).toEqual([before + 1, before + 1])
    createLink(socket, { name: 'v0', kind: veth({ name: 'v1' }) })
    const heard = (events: readonly NetlinkEvent[], name: string) =>
      events.some((event) => event.type === 'link' && event.link.name === name)
    await until(() => heard(early!, 'v0') && heard(late!, 'v0'))
    expect([heard(early!, 'br-x'), heard(late!, 'br-x')]).toEqual([true, false])
    first[Symbol.dispose]()
    createLink(socket, { name: 'v2', kind: veth({ name: 'v3' }) })
    await until(() => heard(late!, 'v2'))
    expect(heard(early!, 'v2')).toBe(false)
  })

  test('when events are lost the listener is told so, and of what comes afterwards', async () => {
    const events: NetlinkEvent[] = []
    using _watch = watchEvents((event) => events.push(event))
    const index = upBridge()
    // Nothing is read while this turn lasts, and the socket's buffer is full after some hundred messages.
    for (let i = 0; i < 2000; i++) setLink(socket, index, { mtu: 1400 + (i % 2) })
    await until(() => events.some(({ type }) => type === 'lost'))
    await delay(50)
    setLink(socket, index, { mtu: 1300 })
    await until(() => events.some((event) => event.type === 'link' && event.link.mtu === 1300))
  })
})
