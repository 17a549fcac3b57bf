/** IPv4 and IPv6 addresses as text, bytes and integers. No zones, no ports, no short forms such as `10.1`. */
import { isIP } from 'node:net'
import { TsnetError } from '../errors.ts'

export type Family = 4 | 6

/** Bits of an address of the family. */
export function familyBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128
}

/** Whether `text` is an IPv4 or IPv6 address without a zone. */
export function isIp(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%')
}

/** Throws kind 'invalid' when `text` is not an address. */
export function ipFamily(text: string): Family {
  if (!isIp(text)) throw new TsnetError('invalid', 'bad-address', `invalid IP address: ${text || '""'}`)
  return isIP(text) as Family
}

/** The address's 4 or 16 bytes in network order. Throws kind 'invalid'. */
export function parseIp(text: string): Uint8Array {
  return ipFamily(text) === 4 ? parse4(text) : parse6(text)
}

function parse4(text: string): Uint8Array {
  return Uint8Array.from(text.split('.'), Number)
}

function parse6(text: string): Uint8Array {
  const bytes = new Uint8Array(16)
  const [head = '', tail] = text.split('::')
  const left = groups(head)
  const right = tail === undefined ? [] : groups(tail)
  bytes.set(left)
  bytes.set(right, 16 - right.length)
  return bytes
}

/** The bytes of a run of 16-bit groups, whose last may be a dotted quad. */
function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return [...parse4(group)]
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

/** Dotted quad for 4 bytes, RFC 5952 for 16 (IPv4-mapped addresses end in a dotted quad). */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length === 16) return format6(bytes)
  throw new TsnetError(
    'invalid',
    'bad-address',
    `an IP address of ${bytes.length} bytes is neither 4 nor 16 bytes long`,
  )
}

function format6(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!)
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
    return `::ffff:${bytes.subarray(12).join('.')}`
  }
  const hex = words.map((word) => word.toString(16))
  const gap = longestZeros(words)
  if (gap.length < 2) return hex.join(':')
  return `${hex.slice(0, gap.start).join(':')}::${hex.slice(gap.start + gap.length).join(':')}`
}

/** The first of the longest runs of zero words: RFC 5952, 4.2.3. */
function longestZeros(words: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < words.length; start++) {
    let end = start
    while (words[end] === 0) end++
    if (end - start > best.length) best = { start, length: end - start }
    start = Math.max(start, end)
  }
  return best
}

/** One spelling per address: lower case, no leading zeros, shortest. Throws kind 'invalid'. */
export function canonicalIp(text: string): string {
  return formatIp(parseIp(text))
}

/** As `canonicalIp`; of an IPv4-mapped address (RFC 4291, 2.5.5.2) the IPv4 address that it stands for. Throws kind 'invalid'. */
export function unmappedIp(text: string): string {
  const address = canonicalIp(text)
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address
}

/** The address as an unsigned integer. Throws kind 'invalid'. */
export function ipToInteger(text: string): bigint {
  const bytes = parseIp(text)
  const view = new DataView(bytes.buffer)
  if (bytes.length === 4) return BigInt(view.getUint32(0))
  return (view.getBigUint64(0) << 64n) | view.getBigUint64(8)
}

/** The address with that integer value. */
export function integerToIp(value: bigint, family: Family): string {
  const bytes = new Uint8Array(family === 4 ? 4 : 16)
  const view = new DataView(bytes.buffer)
  if (family === 4) {
    view.setUint32(0, Number(value))
  } else {
    view.setBigUint64(0, value >> 64n)
    view.setBigUint64(8, BigInt.asUintN(64, value))
  }
  return formatIp(bytes)
}

/** The integer of a dotted quad, or -1 for any other text. Reads digits only once: leases are looked up by it. */
export function ip4ToNumber(text: string): number {
  let value = 0
  let octet = -1
  let dots = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit === -2) {
      if (octet < 0) return -1
      value = value * 256 + octet
      octet = -1
      dots++
    } else {
      // a leading zero, which some read as octal, is no part of a dotted quad
      if (digit < 0 || digit > 9 || octet === 0) return -1
      octet = octet < 0 ? digit : octet * 10 + digit
      if (octet > 255) return -1
    }
  }
  return dots === 3 && octet >= 0 ? value * 256 + octet : -1
}

/** The dotted quad of an unsigned 32-bit integer. */
export function numberToIp4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`
}
