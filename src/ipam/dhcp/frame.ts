/**
 * Ethernet frames with a UDP datagram of DHCP over IPv4 in them (RFC 791, RFC 768). Pure.
 *
 *   0         14                34        42
 *   | Ethernet | IPv4, no options | UDP     | DHCP message …
 */
import { formatIp, parseIp } from '../../values/ip.ts'
import { formatMac, parseMac } from '../../values/mac.ts'

export const clientPort = 68
const serverPort = 67
const ethernetBytes = 14
const ipBytes = 20
const udpBytes = 8

export interface Datagram {
  readonly sourceMac: string
  readonly destinationMac: string
  readonly source: string
  readonly destination: string
  readonly payload: Buffer
}

/** From a client to a server. */
export function encodeFrame(datagram: Datagram): Buffer {
  const { payload } = datagram
  const ethernet = Buffer.concat([
    parseMac(datagram.destinationMac),
    parseMac(datagram.sourceMac),
    Buffer.from([0x08, 0x00]),
  ])
  const source = parseIp(datagram.source)
  const destination = parseIp(datagram.destination)
  const ip = Buffer.alloc(ipBytes)
  ip.writeUInt8(0x45, 0)
  ip.writeUInt8(0x10, 1) // low delay, as others set it
  ip.writeUInt16BE(ipBytes + udpBytes + payload.length, 2)
  ip.writeUInt8(64, 8)
  ip.writeUInt8(17, 9)
  ip.set(source, 12)
  ip.set(destination, 16)
  ip.writeUInt16BE(checksum(ip), 10)
  const udp = Buffer.alloc(udpBytes)
  udp.writeUInt16BE(clientPort, 0)
  udp.writeUInt16BE(serverPort, 2)
  udp.writeUInt16BE(udpBytes + payload.length, 4)
  const pseudo = Buffer.concat([source, destination, Buffer.from([0, 17]), udp.subarray(4, 6)])
  // zero means that there is none
  udp.writeUInt16BE(checksum(Buffer.concat([pseudo, udp, payload])) || 0xffff, 6)
  return Buffer.concat([ethernet, ip, udp, payload])
}

/** Null for what is cut short. The UDP checksum is not read: between virtual interfaces nobody computes it. */
export function decodeFrame(frame: Buffer): Pick<Datagram, 'sourceMac' | 'source' | 'payload'> | null {
  if (frame.length < ethernetBytes + ipBytes + udpBytes) return null
  const ip = frame.subarray(ethernetBytes)
  const headerBytes = (ip.readUInt8(0) & 0x0f) * 4
  const total = ip.readUInt16BE(2)
  if (headerBytes < ipBytes || total > ip.length || total < headerBytes + udpBytes) return null
  const udp = ip.subarray(headerBytes, total)
  const length = udp.readUInt16BE(4)
  if (length < udpBytes || length > udp.length) return null
  return {
    sourceMac: formatMac(frame.subarray(6, 12)),
    source: formatIp(ip.subarray(12, 16)),
    payload: Buffer.from(udp.subarray(udpBytes, length)),
  }
}

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Buffer): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
