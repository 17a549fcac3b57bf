/** What keeps encrypted networks apart from the underlay, shown with two plain links: of a VXLAN device with a link-local address the kernel heeds the link. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addAddress } from '../../src/netlink/address.ts'
import { veth } from '../../src/netlink/kinds/veth.ts'
import { vxlan } from '../../src/netlink/kinds/vxlan.ts'
import { createLink, getLink, setLink } from '../../src/netlink/link.ts'
import { openRouteSocket, type RouteSocket } from '../../src/netlink/socket.ts'
import { openPacketSocket, sendFrame } from '../../src/sys/packet-socket.ts'
import { enterThrowAwayNetns, ip } from '../helpers/firewall-lab.ts'
import { frame6, vxlanPayload } from '../helpers/forged-packet.ts'

const vni = 5000
const toMac = '02:00:00:00:00:0a'
const tunnel = 'fe80::aa'
let socket: RouteSocket

beforeAll(async () => {
  await enterThrowAwayNetns()
  socket = openRouteSocket()
  for (const name of ['inside', 'underlay']) {
    createLink(socket, { name, kind: veth({ name: `${name}-far` }) })
    for (const end of [name, `${name}-far`]) setLink(socket, getLink(socket, end).index, { up: true })
    addAddress(socket, getLink(socket, name).index, `${tunnel}/64`)
  }
  addAddress(socket, getLink(socket, 'underlay').index, 'fd00::1/64')
  const link = getLink(socket, 'inside').index
  const bound = vxlan({ vni, local: tunnel, link, port: 4789, learning: false })
  createLink(socket, { name: 'bound', kind: bound, address: toMac, up: true })
  // a network beside it, on the same port
  const plain = vxlan({ vni: vni + 1, local: 'fd00::1', port: 4789, learning: false })
  createLink(socket, { name: 'plain', kind: plain, address: toMac, up: true })
})
afterAll(() => socket.close())

const received = (device: string): number => JSON.parse(ip(`-s -j link show ${device}`))[0].stats64.rx.packets

/** How many of a few packets that come in by a link are taken by a device. */
function taken(device: string, number: number, link: string, to: string): number {
  const datagram = { source: '10.7.0.2', target: '10.7.0.1', port: 7777, fromMac: '02:00:00:00:00:0b', toMac }
  const macs = { from: getLink(socket, `${link}-far`).address, to: getLink(socket, link).address }
  const payload = vxlanPayload(number, datagram)
  const frame = frame6(macs, { from: to.startsWith('fe80') ? 'fe80::bb' : 'fd00::2', to }, 4789, payload)
  const before = received(device)
  using sender = openPacketSocket()
  for (let times = 0; times < 3; times++)
    sendFrame(sender, getLink(socket, `${link}-far`).index, 0x86dd, frame)
  return received(device) - before
}

test('its own link’s packets are taken, and those of no other, to whichever address they go', () => {
  expect(taken('bound', vni, 'inside', tunnel)).toBe(3)
  expect(taken('bound', vni, 'underlay', tunnel)).toBe(0)
  expect(taken('bound', vni, 'underlay', 'fd00::1')).toBe(0)
})

test('a device beside it takes its own from the underlay, on the same port', () => {
  expect(taken('plain', vni + 1, 'underlay', 'fd00::1')).toBe(3)
})

test('the device goes with its link', () => {
  ip('link del inside')
  expect(JSON.parse(ip('-j link')).map(({ ifname }: { ifname: string }) => ifname)).not.toContain('bound')
})
