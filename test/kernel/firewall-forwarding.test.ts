/** A host that learns its way out from a router's advertisements (RFC 4861) and is made to forward. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createFirewall } from '../../src/firewall/firewall.ts'
import { inNetns } from '../../src/sys/netns.ts'
import { openPacketSocket, sendFrame } from '../../src/sys/packet-socket.ts'
import { parseIp } from '../../src/values/ip.ts'
import { bridgeRules, enterThrowAwayNetns, ip, Place } from '../helpers/firewall-lab.ts'

const ETH_P_IPV6 = 0x86dd
const allNodes = 'ff02::1'

/** The sum of 16-bit words that IPv6 wants of ICMPv6 (RFC 8200, 8.1). */
function checksum(source: string, destination: string, payload: Buffer): number {
  const pseudo = Buffer.alloc(8)
  pseudo.writeUInt32BE(payload.length)
  pseudo[7] = 58
  const all = Buffer.concat([parseIp(source), parseIp(destination), pseudo, payload])
  let sum = 0
  for (let at = 0; at < all.length; at += 2) sum += all.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

/** "I am a router for the next half hour": type 134, hop limit 64, lifetime 1800. */
function advertisement(source: string, mac: string): Buffer {
  const message = Buffer.from('86000000400007080000000000000000', 'hex')
  message.writeUInt16BE(checksum(source, allNodes, message), 2)
  const header = Buffer.from('60000000' + '0010' + '3a' + 'ff', 'hex')
  const ethernet = Buffer.from(`333300000001${mac.replaceAll(':', '')}86dd`, 'hex')
  return Buffer.concat([ethernet, header, parseIp(source), parseIp(allNodes), message])
}

describe('forwarding of IPv6 on a host with advertised routes', () => {
  let directory: string
  let router: Place

  beforeAll(async () => {
    await enterThrowAwayNetns()
    directory = mkdtempSync(join(tmpdir(), 'tsnet-ra-'))
  })

  afterAll(() => rmSync(directory, { recursive: true }))

  beforeEach(() => {
    writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '0')
    router = new Place('router', directory)
    ip(`link add up0 type veth peer name eth0 netns ${router.path}`)
    ip('link add quiet0 type veth peer name quiet1')
    router.ip('link set eth0 address 02:00:00:00:00:01 up')
    for (const link of ['up0', 'quiet0']) ip(`link set ${link} up`)
  })

  afterEach(() => {
    for (const link of ['up0', 'quiet0']) ip(`link del ${link}`)
    router.close()
  })

  /** Until the host has its route; the first may come before the host's link is ready. */
  async function advertise(): Promise<void> {
    const index = Number(/^(\d+): eth0/m.exec(router.ip('-o link show eth0'))?.[1])
    const frame = advertisement('fe80::ff:fe00:1', '02:00:00:00:00:01')
    using socket = inNetns(router.netns, openPacketSocket)
    await vi.waitFor(
      () => {
        sendFrame(socket, index, ETH_P_IPV6, frame)
        expect(routes()).toContain('via fe80::ff:fe00:1 dev up0 proto ra')
      },
      { timeout: 5000, interval: 50 },
    )
  }

  const routes = () => ip('-6 route show default')
  const acceptRa = (link: string) => readFileSync(`/proc/sys/net/ipv6/conf/${link}/accept_ra`, 'utf8').trim()

  it('loses them when it is just switched on', async () => {
    await advertise()
    writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '1')
    expect(routes()).toBe('')
  })

  it('keeps them, and takes new ones, when tsnet switches it on, which says so', async () => {
    let logged = ''
    const stream = new Writable({
      write(chunk, _encoding, done) {
        logged += chunk
        done()
      },
    })
    await advertise()
    const firewall = createFirewall({ backend: 'auto', instance: '', log: pino(stream) })
    try {
      await firewall.replaceAll(bridgeRules([4]))
      expect(acceptRa('up0')).toBe('1')
      await firewall.apply({ add: bridgeRules([6]), remove: [] })
      expect(readFileSync('/proc/sys/net/ipv6/conf/all/forwarding', 'utf8').trim()).toBe('1')
      expect(routes()).toContain('proto ra')
      expect([acceptRa('up0'), acceptRa('quiet0')]).toEqual(['2', '1'])
      expect(logged).toContain('"links":["up0"]')
      ip('-6 route del default')
      await advertise()
    } finally {
      await firewall.clear()
      firewall.close()
    }
  })
})
