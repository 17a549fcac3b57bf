/** How a subnet is cut into blocks, of which each host of a cluster takes some for itself. Pure. */
import { createHash } from 'node:crypto'
import { blockOf, type Cidr, formatCidr } from '../../values/cidr.ts'
import { familyBits, integerToIp } from '../../values/ip.ts'

/** Most address bits of a block, and most blocks that are looked at: IPv6 subnets have more of both than anybody needs. */
const limits = { bits: 16, blocks: 65_536 } as const

/**
 * The prefix length of the blocks: 16 of a /24, 1,024 of a /16, so that small subnets serve several hosts and large ones ask
 * etcd seldom.
 */
export function blockPrefix(range: Cidr): number {
  const bits = familyBits(range.family)
  const hosts = bits - range.prefix
  const own = hosts >= 8 ? 4 + Math.floor((hosts - 8) / 4) : Math.floor(hosts / 2)
  return bits - Math.min(own, limits.bits)
}

/** How many addresses hosts can give out without being asked for one by name. */
export function dynamicAddresses(range: Cidr): number {
  const prefix = blockPrefix(range)
  return 2 ** (familyBits(range.family) - prefix) * Math.min(2 ** (prefix - range.prefix), limits.blocks)
}

/** The block of a subnet's that an address lies in, as a CIDR. */
export function blockAround(range: Cidr, address: string): string {
  return formatCidr(blockOf(address, blockPrefix(range)))
}

/** The blocks of a range, each host's from another one on, so that hosts seldom want the same. */
export function* blocksFor(range: Cidr, host: string): Generator<string> {
  const prefix = blockPrefix(range)
  const size = 1n << BigInt(familyBits(range.family) - prefix)
  const count = Math.min(2 ** (prefix - range.prefix), limits.blocks)
  const start = createHash('sha256').update(host).digest().readUInt32BE() % count
  for (let index = 0; index < count; index++) {
    const first = range.first + BigInt((start + index) % count) * size
    yield `${integerToIp(first, range.family)}/${prefix}`
  }
}
