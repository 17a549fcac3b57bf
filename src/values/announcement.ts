/** The frames by which an interface tells its neighbours at which hardware address an IP address is. Pure. */
import { parseCidr } from './cidr.ts'
import { parseIp } from './ip.ts'
import { parseMac } from './mac.ts'

const etherTypes = { arp: 0x0806, ipv6: 0x86dd } as const

export interface Announcement {
  /** EtherType */
  readonly protocol: number
  /** From its hardware addresses on. */
  readonly frame: Buffer
}

/** Of an address with prefix length, of either family. */
export function announcementOf(cidr: string, mac: string): Announcement {
  const { family, address } = parseCidr(cidr)
  return family === 4
    ? { protocol: etherTypes.arp, frame: arpAnnouncement(parseIp(address), parseMac(mac)) }
    : { protocol: etherTypes.ipv6, frame: neighbourAdvertisement(parseIp(address), parseMac(mac)) }
}

const everybody = Buffer.alloc(6, 0xff)

/** RFC 5227, section 2.3: a request whose sender and target are the same. */
function arpAnnouncement(address: Uint8Array, mac: Uint8Array): Buffer {
  const fixed = Buffer.from([0, 1, 0x08, 0x00, 6, 4, 0, 1])
  return Buffer.concat([
    ethernet(everybody, mac, etherTypes.arp),
    fixed,
    mac,
    address,
    Buffer.alloc(6),
    address,
  ])
}

const allNodes = Buffer.from('ff020000000000000000000000000001', 'hex')
const allNodesMac = Buffer.from('333300000001', 'hex')
const ICMPV6 = 58
/** The flag that lets receivers replace what they know. */
const OVERRIDE = 0x20

/** RFC 4861, sections 4.4 and 7.2.6: unsolicited, to all nodes. */
function neighbourAdvertisement(address: Uint8Array, mac: Uint8Array): Buffer {
  const message = Buffer.concat([
    Buffer.from([136, 0, 0, 0, OVERRIDE, 0, 0, 0]),
    address,
    // the option with the hardware address, one unit of eight bytes
    Buffer.from([2, 1]),
    mac,
  ])
  message.writeUInt16BE(checksum(address, allNodes, message), 2)
  // version 6; a hop limit of 255 proves that no router has passed it on
  const header = Buffer.from([0x60, 0, 0, 0, 0, message.length, ICMPV6, 255])
  return Buffer.concat([ethernet(allNodesMac, mac, etherTypes.ipv6), header, address, allNodes, message])
}

function ethernet(to: Uint8Array, from: Uint8Array, protocol: number): Buffer {
  return Buffer.concat([to, from, Buffer.from([protocol >> 8, protocol & 0xff])])
}

/** RFC 8200, section 8.1: over a pseudo-header and the message, which has an even length. */
function checksum(from: Uint8Array, to: Uint8Array, message: Buffer): number {
  const summed = Buffer.concat([from, to, Buffer.from([0, 0, 0, message.length, 0, 0, 0, ICMPV6]), message])
  let sum = 0
  for (let at = 0; at < summed.length; at += 2) sum += summed.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return ~sum & 0xffff
}
