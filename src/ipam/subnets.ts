/** Which subnet a network gets that names none. Pure. */
import { createHash } from 'node:crypto'
import IPCIDR from 'ip-cidr'
import { TsnetError } from '../errors.ts'
import { blockOf, type Cidr, formatCidr, isCidr, overlaps, parseCidr } from '../values/cidr.ts'
import { type Family, familyBits, integerToIp } from '../values/ip.ts'
import { specialBlockIn } from './request.ts'

/** A block that is cut into subnets of `size` prefix bits. */
export interface AddressPool {
  /** CIDR */
  readonly base: string
  readonly size: number
}

/**
 * 172.18/16 to 172.30/16 in /24: 3,328 networks of 254 addresses, where Docker's users expect them. 172.17/16 is the
 * default bridge's. 172.31/16 is left out because clouds put their hosts there behind a default route, where no route
 * shows it; so is 192.168/16, where homes and offices are. 10.64/12 follows for the day a VPN claims all of 172.16/12.
 */
export const defaultAddressPools: readonly AddressPool[] = [
  { base: '172.18.0.0/15', size: 24 },
  { base: '172.20.0.0/14', size: 24 },
  { base: '172.24.0.0/14', size: 24 },
  { base: '172.28.0.0/15', size: 24 },
  { base: '172.30.0.0/16', size: 24 },
  { base: '10.64.0.0/12', size: 24 },
]

/**
 * The pool of unique local IPv6 subnets (RFC 4193) of an installation: a /48 in fd00::/8 whose 40 bits of global id are
 * a hash of the installation's id, so that two machines hardly ever choose the same.
 */
export function uniqueLocalPool(installationId: string): AddressPool {
  const hash = createHash('sha256').update(installationId).digest()
  const globalId = BigInt(`0x${hash.subarray(-5).toString('hex')}`)
  return { base: `${integerToIp((0xfdn << 120n) | (globalId << 80n), 6)}/48`, size: 64 }
}

/** The pools of a host that was told these: of IPv4 the usual ones unless some of that family are among them. */
export function poolsOfHost(given: readonly AddressPool[]): readonly AddressPool[] {
  return given.some((pool) => poolFamily(pool) === 4) ? given : [...defaultAddressPools, ...given]
}

/** Throws kind 'invalid' with Docker's words unless the pool can be cut as it says. */
export function checkAddressPool(pool: AddressPool): void {
  const base = parseCidr(pool.base)
  if (pool.size < base.prefix || pool.size > familyBits(base.family)) {
    throw new TsnetError(
      'invalid',
      'bad-address-pool',
      `invalid address pool: ${pool.base} cannot be cut into subnets of size ${pool.size}, ` +
        `allowed are ${base.prefix} to ${familyBits(base.family)}`,
    )
  }
  const special = specialBlockIn(base)
  if (special !== null) {
    throw new TsnetError('invalid', 'bad-address-pool', `invalid address pool: ${pool.base}: ${special}`)
  }
}

/**
 * Whether a route says nothing about where a private network is: a default route, or one of the few pieces into which a
 * VPN cuts the default route. No private block is larger than a /8 (IPv6: a /7).
 */
export function isDefaultLike(route: Cidr): boolean {
  return route.prefix < (route.family === 4 ? 8 : 7)
}

/** What is in use on the host, as blocks. A text is parsed once as long as it is in use: most stay from one choice to the next. */
export class UsedBlocks {
  #parsed = new Map<string, Cidr | null>()

  /** Leaves out default routes and what is no block, as an address with a zone. */
  blocksOf(routes: readonly string[]): Cidr[] {
    const parsed = new Map<string, Cidr | null>()
    for (const route of routes) {
      const known = this.#parsed.get(route)
      parsed.set(route, known === undefined ? parseRoute(route) : known)
    }
    this.#parsed = parsed
    return [...parsed.values()].filter((block) => block !== null)
  }
}

function parseRoute(route: string): Cidr | null {
  const block = isCidr(route) ? parseCidr(route) : null
  return block === null || isDefaultLike(block) ? null : block
}

/** The lowest free subnet of the first pool that has one, or null. `size` overrides the pools' own. */
export function chooseSubnet(
  family: Family,
  pools: readonly AddressPool[],
  used: readonly Cidr[],
  size: number | null,
): string | null {
  for (const pool of pools) {
    const prefix = size ?? pool.size
    if (poolFamily(pool) !== family || prefix < parseCidr(pool.base).prefix) continue
    const found = firstGap(pool.base, prefix, used)
    if (found !== null) return formatCidr(found)
  }
  return null
}

/** Walks the used blocks in order, so that the cost depends on them and not on the pool's size. */
function firstGap(base: string, prefix: number, used: readonly Cidr[]): Cidr | null {
  const { family } = parseCidr(base)
  const [first, last] = new IPCIDR(base).toRange<bigint>({ type: 'bigInteger' })
  const step = subnetSize(family, prefix)
  let start = first
  for (const block of blocksWithin(parseCidr(base), used)) {
    if (block.first >= start + step) break
    if (block.last >= start) start = (block.last / step + 1n) * step
  }
  return start + step - 1n > last ? null : blockOf(integerToIp(start, family), prefix)
}

function blocksWithin(base: Cidr, used: readonly Cidr[]): Cidr[] {
  return used.filter((block) => overlaps(block, base)).sort((a, b) => Number(a.first > b.first) * 2 - 1)
}

/** How many addresses a subnet of that prefix length has. */
function subnetSize(family: Family, prefix: number): bigint {
  return 1n << BigInt(familyBits(family) - prefix)
}

export function poolFamily(pool: AddressPool): Family {
  return parseCidr(pool.base).family
}

/** How many subnets the pool can be cut into. */
export function subnetCount(pool: AddressPool): bigint {
  return BigInt(new IPCIDR(pool.base).size.toString()) / subnetSize(poolFamily(pool), pool.size)
}
