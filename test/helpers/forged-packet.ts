/** Packets that nobody's stack would make: written by hand, with the checksums that a receiver looks at (RFC 1071). */
import { parseIp } from '../../src/values/ip.ts'
import { parseMac } from '../../src/values/mac.ts'

export interface ForgedDatagram {
  /** Of IPv4. */
  readonly source: string
  readonly target: string
  readonly port: number
  /** The hardware addresses that it comes from and goes to. */
  readonly fromMac: string
  readonly toMac: string
}

/** What stands in a UDP packet that carries a frame with a datagram by VXLAN (RFC 7348). */
export function vxlanPayload(vni: number, { source, target, port, fromMac, toMac }: ForgedDatagram): Buffer {
  const datagram = udp(5555, port, Buffer.from('forged\n'))
  const header = Buffer.from('4500000000000000401100000000000000000000', 'hex')
  header.writeUInt16BE(header.length + datagram.length, 2)
  header.set(parseIp(source), 12)
  header.set(parseIp(target), 16)
  header.writeUInt16BE(checksum(header), 10)
  const frame = ethernet(fromMac, toMac, 0x0800, Buffer.concat([header, datagram]))
  const outer = Buffer.alloc(8)
  outer.writeUInt8(0x08, 0)
  outer.writeUInt32BE(vni << 8, 4)
  return Buffer.concat([outer, frame])
}

/** A frame with UDP over IPv6, without what stands before its hardware addresses. */
export function frame6(
  macs: { readonly from: string; readonly to: string },
  addresses: { readonly from: string; readonly to: string },
  port: number,
  payload: Buffer,
): Buffer {
  const datagram = udp(5555, port, payload)
  const ends = Buffer.concat([parseIp(addresses.from), parseIp(addresses.to)])
  const pseudo = Buffer.concat([
    ends,
    Buffer.from([0, 0, datagram.length >> 8, datagram.length & 255, 0, 0, 0, 17]),
  ])
  datagram.writeUInt16BE(checksum(Buffer.concat([pseudo, datagram])), 6)
  const header = Buffer.from('6000000000001140', 'hex')
  header.writeUInt16BE(datagram.length, 4)
  return ethernet(macs.from, macs.to, 0x86dd, Buffer.concat([header, ends, datagram]))
}

function ethernet(from: string, to: string, type: number, payload: Buffer): Buffer {
  return Buffer.concat([parseMac(to), parseMac(from), Buffer.from([type >> 8, type & 255]), payload])
}

/** Without checksum. */
function udp(from: number, to: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt16BE(from, 0)
  header.writeUInt16BE(to, 2)
  header.writeUInt16BE(header.length + payload.length, 4)
  return Buffer.concat([header, payload])
}

function checksum(bytes: Buffer): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
