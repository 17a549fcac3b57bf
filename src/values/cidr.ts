/** Blocks of addresses in CIDR notation. Integers inside: overlap checks run over every route of the host. */
import { TsnetError } from '../errors.ts'
import { canonicalIp, type Family, familyBits, integerToIp, ipFamily, ipToInteger, isIp } from './ip.ts'

export interface Cidr {
  readonly family: Family
  /** The address as given, host bits kept, in canonical form: 10.1.0.7 of '10.1.0.7/24'. */
  readonly address: string
  readonly prefix: number
  /** The block's first address: 10.1.0.0 of '10.1.0.7/24'. */
  readonly network: string
  /** The first and last address as integers. */
  readonly first: bigint
  readonly last: bigint
}

/** Parses `address/prefix`, with or without host bits. Throws kind 'invalid'. */
export function parseCidr(text: string): Cidr {
  const [, address = '', digits = ''] = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? []
  const prefix = Number(digits)
  if (!isIp(address) || prefix > familyBits(ipFamily(address))) {
    throw new TsnetError('invalid', 'bad-cidr', `invalid CIDR address: ${text || '""'}`)
  }
  return blockOf(address, prefix)
}

/** The block of that prefix length around an address. */
export function blockOf(address: string, prefix: number): Cidr {
  const family = ipFamily(address)
  const hosts = (1n << BigInt(familyBits(family) - prefix)) - 1n
  const first = ipToInteger(address) & ~hosts
  return {
    family,
    address: canonicalIp(address),
    prefix,
    network: integerToIp(first, family),
    first,
    last: first | hosts,
  }
}

/** Whether `text` is `address/prefix`. */
export function isCidr(text: string): boolean {
  try {
    parseCidr(text)
    return true
  } catch {
    return false
  }
}

/** The block itself, host bits cleared: '10.1.0.0/24'. */
export function formatCidr(cidr: Cidr): string {
  return `${cidr.network}/${cidr.prefix}`
}

/** Whether bits below the prefix are set in the address as given. */
export function hasHostBits(cidr: Cidr): boolean {
  return cidr.address !== cidr.network
}

/** Whether the address lies in the block; false for the other family. Throws kind 'invalid' for what is no address. */
export function containsIp(cidr: Cidr, address: string): boolean {
  if (ipFamily(address) !== cidr.family) return false
  const value = ipToInteger(address)
  return value >= cidr.first && value <= cidr.last
}

/** Whether `inner` lies wholly in `outer`. */
export function containsCidr(outer: Cidr, inner: Cidr): boolean {
  return outer.family === inner.family && inner.first >= outer.first && inner.last <= outer.last
}

/** The blocks that lie in no other, each once and in canonical form, as sets of intervals want them. */
export function outermostCidrs(texts: readonly string[]): string[] {
  const blocks = [...new Map(texts.map((text) => [formatCidr(parseCidr(text)), parseCidr(text)]))]
  return blocks
    .filter(([key, inner]) => !blocks.some(([other, outer]) => other !== key && containsCidr(outer, inner)))
    .map(([key]) => key)
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last
}

/** The directed broadcast address, or null for IPv6 and for blocks too small to have one (RFC 3021). */
export function broadcastAddress(cidr: Cidr): string | null {
  return cidr.family === 4 && cidr.prefix < 31 ? integerToIp(cidr.last, 4) : null
}

/** '255.255.255.0' for 24. IPv4 only. */
export function netmask(prefix: number): string {
  return integerToIp(0xffffffffn ^ ((1n << BigInt(32 - prefix)) - 1n), 4)
}
