/** Ethernet addresses. */
import { randomBytes } from 'node:crypto'
import { TsnetError } from '../errors.ts'
import { formatIp } from './ip.ts'

/** Six bytes from `02:42:ac:11:00:02`, or the same with hyphens, in any case. Throws kind 'invalid'. */
export function parseMac(text: string): Uint8Array {
  const separator = text.includes('-') ? '-' : ':'
  const parts = text.split(separator)
  if (parts.length !== 6 || !parts.every((part) => /^[0-9a-f]{2}$/i.test(part))) {
    throw new TsnetError('invalid', 'bad-mac', `invalid MAC address: ${text || '""'}`)
  }
  return Uint8Array.from(parts, (part) => Number.parseInt(part, 16))
}

const digits: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Lower case, colons. */
export function formatMac(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += text === '' ? digits[byte] : `:${digits[byte]}`
  return text
}

/** As `parseMac`, of an address that an interface can have. */
export function parseUnicastMac(text: string): Uint8Array {
  const bytes = parseMac(text)
  // is_valid_ether_addr() in linux/etherdevice.h
  if ((bytes[0]! & 1) === 0 && bytes.some((byte) => byte !== 0)) return bytes
  const wrong =
    (bytes[0]! & 1) === 1 ? 'is a multicast address, give one whose first byte is even' : 'is no address'
  throw new TsnetError('invalid', 'bad-mac', `invalid MAC address: ${text} ${wrong}, such as ${randomMac()}`)
}

/** A random unicast address from the locally administered space, as text. */
export function randomMac(): string {
  const bytes = randomBytes(6)
  bytes[0] = (bytes[0]! & 0xfc) | 0x02
  return formatMac(bytes)
}

/** An address of the same space that always belongs to the same id, whose digits are random. */
export function macOf(id: string): string {
  return formatMac(Uint8Array.of(0x02, ...Buffer.from(id.slice(0, 10), 'hex')))
}

/** The link-local address that an interface makes of its own (RFC 4291, appendix A). */
export function linkLocalOf(mac: string): string {
  const bytes = parseMac(mac)
  const [first = 0, ...vendor] = bytes.subarray(0, 3)
  const prefix = [0xfe, 0x80, 0, 0, 0, 0, 0, 0]
  return formatIp(Uint8Array.of(...prefix, first ^ 0x02, ...vendor, 0xff, 0xfe, ...bytes.subarray(3)))
}
