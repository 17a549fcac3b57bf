/** Forwarding entries, many changes in one request, and long lists, in a throw-away network namespace. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type NetlinkEvent, watchNeighbours } from '../../src/netlink/events.ts'
import {
  decodeForwarding,
  type Forwarding,
  forwardingOf,
  forwardingRemoval,
  remoteForwarding,
} from '../../src/netlink/forwarding.ts'
import { bridge, readBridgePort, setBridgePort } from '../../src/netlink/kinds/bridge.ts'
import { decodeVxlan, vxlan } from '../../src/netlink/kinds/vxlan.ts'
import { createLink, getLink, listLinks, setLink } from '../../src/netlink/link.ts'
import { removeLink } from '../../src/netlink/link-removal.ts'
import { decodeNeighbour, neighboursOf, permanentNeighbour } from '../../src/netlink/neighbour.ts'
import { openRouteSocket, type RouteSocket } from '../../src/netlink/socket.ts'
import { NUD_PERMANENT } from '../../src/sys/constants/neighbour.ts'
import { enterThrowAwayNetns } from '../helpers/firewall-lab.ts'

let socket: RouteSocket
let master: number
let port: number

beforeAll(enterThrowAwayNetns)

beforeEach(() => {
  socket = openRouteSocket()
  createLink(socket, { name: 'br-x', kind: bridge({ stp: false }), up: true })
  const settings = { vni: 4096, local: '192.0.2.1', port: 4789, learning: false }
  createLink(socket, { name: 'vx-x', kind: vxlan(settings) })
  master = getLink(socket, 'br-x').index
  port = getLink(socket, 'vx-x').index
  setLink(socket, port, { master, up: true })
})

afterEach(async () => {
  for (const link of listLinks(socket)) if (link.name !== 'lo') await removeLink(link.index)
  socket.close()
})

/** 02:00:00:00:00:00 and up */
function macNumber(number: number): string {
  const digits = number.toString(16).padStart(6, '0')
  return `02:00:00:${digits.slice(0, 2)}:${digits.slice(2, 4)}:${digits.slice(4)}`
}

function entriesOf(mac: string): Forwarding[] {
  return socket
    .dump(forwardingOf(port))
    .map(({ body }) => decodeForwarding(body))
    .filter((entry) => entry.mac === mac)
}

test('one request tells the bridge and its port where a hardware address is, and another in place of it', () => {
  for (const via of ['198.51.100.1', '198.51.100.2']) {
    expect(socket.actAll([remoteForwarding(port, macNumber(1), via)])).toEqual([])
    expect(entriesOf(macNumber(1))).toEqual([
      { port, mac: macNumber(1), table: 'bridge', via: '', fixed: true },
      { port, mac: macNumber(1), table: 'port', via, fixed: true },
    ])
  }
  socket.actAll([forwardingRemoval(port, macNumber(1), 'port')])
  expect(entriesOf(macNumber(1)).map(({ table }) => table)).toEqual(['bridge'])
  socket.actAll([forwardingRemoval(port, macNumber(1), 'bridge')])
  expect(entriesOf(macNumber(1))).toEqual([])
})

test('of many changes each that is refused is told with its reason, and the others are made', () => {
  const requests = Array.from({ length: 250 }, (_, number) =>
    number % 100 === 99
      ? forwardingRemoval(port, macNumber(number), 'bridge')
      : remoteForwarding(port, macNumber(number), '198.51.100.1'),
  )
  const refusals = socket.actAll(requests)
  expect(refusals.map(({ request }) => requests.indexOf(request))).toEqual([99, 199])
  expect(refusals[0]!.error).toMatchObject({ errnoName: 'ENOENT', kind: 'not-found' })
  expect(entriesOf(macNumber(249))).toHaveLength(2)
  expect(socket.actAll([])).toEqual([])
})

test('all of them may be refused, the last too', () => {
  const requests = Array.from({ length: 1000 }, (_, number) =>
    forwardingRemoval(port, macNumber(number), 'port'),
  )
  expect(socket.actAll(requests)).toHaveLength(1000)
  expect(getLink(socket, port).name).toBe('vx-x')
})

test('a long list is read whole', async () => {
  const requests = Array.from({ length: 1000 }, (_, number) =>
    permanentNeighbour(master, `10.1.${number >> 8}.${number & 255}`, macNumber(number)),
  )
  expect(socket.actAll(requests)).toEqual([])
  const known: string[] = []
  await socket.dumpInTurns(neighboursOf(master, 4), () => {
    known.length = 0
    return ({ body }) => {
      const { address, state } = decodeNeighbour(body)
      // a multicast group is another kind of neighbour
      if (state === NUD_PERMANENT) known.push(address)
    }
  })
  expect(known).toHaveLength(1000)
  expect(known).toContain('10.1.3.231')
})

test('while a long list is read other work goes on, and the socket refuses another question', async () => {
  const requests = Array.from({ length: 20_000 }, (_, number) =>
    remoteForwarding(port, macNumber(number), '198.51.100.1'),
  )
  expect(socket.actAll(requests)).toEqual([])
  let count = 0
  let turns = 0
  const timer = setInterval(() => turns++)
  const reading = socket.dumpInTurns(forwardingOf(port), () => () => {
    count++
  })
  expect(() => getLink(socket, port)).toThrow(/waits for another answer/)
  await reading
  clearInterval(timer)
  // and the bridge’s own for the port's address
  expect(count).toBeGreaterThanOrEqual(40_000)
  expect(turns).toBeGreaterThan(0)
  expect(getLink(socket, port).name).toBe('vx-x')
})

test('a port’s settings are changed one by one, and read back', () => {
  expect(readBridgePort(socket, master)).toEqual({})
  const before = readBridgePort(socket, port)
  expect(before).toMatchObject({ learning: true, unicastFlood: true, answersNeighbours: false })
  setBridgePort(socket, port, { learning: false, broadcastFlood: false, answersNeighbours: true })
  const after = { ...before, learning: false, broadcastFlood: false, answersNeighbours: true }
  expect(readBridgePort(socket, port)).toEqual(after)
})

test('the settings of a VXLAN device are read back', () => {
  const settings = { vni: 9, port: 4790, learning: true }
  createLink(socket, { name: 'v4', kind: vxlan({ ...settings, local: '192.0.2.1' }) })
  createLink(socket, { name: 'v6', kind: vxlan({ ...settings, local: '2001:db8::1', vni: 10 }) })
  expect(decodeVxlan(getLink(socket, 'v4').data)).toEqual({ ...settings, local: '192.0.2.1', link: 0 })
  expect(decodeVxlan(getLink(socket, 'v6').data)).toMatchObject({ vni: 10, local: '2001:db8::1' })
})

test('changes of entries are told, but those that are to be unheard', async () => {
  const told: NetlinkEvent[] = []
  using watch = watchNeighbours((event) => told.push(event))
  watch.unheard(() => socket.actAll([remoteForwarding(port, macNumber(1), '198.51.100.1')]))
  socket.actAll([forwardingRemoval(port, macNumber(1), 'port')])
  socket.actAll([permanentNeighbour(master, '10.1.0.9', macNumber(9))])
  const end = Date.now() + 2000
  while (told.length < 2 && Date.now() < end) await delay(5)
  expect(told).toMatchObject([
    { type: 'forwarding-removed', forwarding: { port, mac: macNumber(1), table: 'port' } },
    { type: 'neighbour', neighbour: { index: master, address: '10.1.0.9', mac: macNumber(9) } },
  ])
})
