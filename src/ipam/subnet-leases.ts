/** The leases of one subnet: who holds which address. */
import { TsnetError } from '../errors.ts'
import { broadcastAddress, type Cidr, containsIp } from '../values/cidr.ts'
import { familyBits, integerToIp, ip4ToNumber, ipFamily, ipToInteger, numberToIp4 } from '../values/ip.ts'
import type { PoolUsage } from './ipam.ts'
import { OffsetPool } from './pool.ts'

/**
 * Addresses beyond this many from the range's start are leased on request only: nobody attaches more endpoints to one
 * network, and an IPv6 subnet's bitmap stays small.
 */
const dynamicWindow = { 4: 1n << 24n, 6: 1n << 20n } as const

/** Owners that are no endpoint: what stands for itself in the subnet. */
const structural = { network: 'reserved:network', broadcast: 'reserved:broadcast' } as const

/** An address's distance from the subnet's first one: a number while that is exact. */
type Offset = number | bigint

export class SubnetLeases {
  readonly subnet: Cidr
  /** Where addresses come from that nobody asks for by name. */
  readonly range: Cidr
  /** the network's id */
  readonly owner: string
  /** Of the subnet's first address; used for IPv4 alone. */
  readonly #first4: number
  /** The distance from the subnet's start to the range's. */
  readonly #start: Offset
  readonly #window: OffsetPool
  readonly #holders = new Map<Offset, string>()
  /** Those of the leases whose owners do not use them now, the longest unused first. */
  readonly #kept = new Set<Offset>()

  constructor(owner: string, subnet: Cidr, range: Cidr) {
    this.owner = owner
    this.subnet = subnet
    this.range = range
    this.#first4 = Number(subnet.first)
    this.#start = exact(range.first - subnet.first)
    const size = range.last - range.first + 1n
    const window = dynamicWindow[subnet.family]
    this.#window = new OffsetPool(Number(size < window ? size : window))
    this.#reserveEdges()
  }

  /** The first address names the subnet (IPv6: its routers, RFC 4291), except in point-to-point blocks (RFC 3021, 6164). */
  #reserveEdges(): void {
    if (this.subnet.prefix >= familyBits(this.subnet.family) - 1) return
    this.#hold(0, structural.network)
    const broadcast = broadcastAddress(this.subnet)
    if (broadcast !== null) this.#hold(this.#offsetOf(broadcast), structural.broadcast)
  }

  /** Who holds the address, whether or not it uses it now; null for nobody. */
  holder(address: string): string | null {
    return this.#holders.get(this.#offsetOf(address)) ?? null
  }

  /** Up to `limit` of those who hold addresses, with their addresses. */
  holders(limit: number): { owner: string; address: string }[] {
    return this.#holders
      .entries()
      .filter(([, owner]) => !isStructural(owner))
      .take(limit)
      .map(([offset, owner]) => ({ owner, address: this.#addressOf(offset) }))
      .toArray()
  }

  /** Leases that address, which who asks for it by name may take from an owner that does not use it; true when it is the owner's now. */
  take(address: string, owner: string): boolean {
    const offset = this.#offsetInside(address)
    const holder = this.#holders.get(offset)
    if (holder !== undefined && holder !== owner && !this.#kept.has(offset)) return false
    this.#kept.delete(offset)
    if (holder !== owner) this.#hold(offset, owner)
    return true
  }

  /** As `take`, but leaves to other owners what they do not use now. */
  takeFree(address: string, owner: string): boolean {
    const holder = this.#holders.get(this.#offsetInside(address))
    return (holder === undefined || holder === owner) && this.take(address, owner)
  }

  /** Leases the next free address of the range, else the one that has been unused for longest; null when all are used. */
  takeNext(owner: string): string | null {
    return this.takeNextFree(owner) ?? this.reclaim(owner)
  }

  /** As `takeNext`, but leaves to other owners what they do not use now. */
  takeNextFree(owner: string): string | null {
    const inWindow = this.#window.take()
    if (inWindow === null) return null
    const offset = typeof this.#start === 'number' ? this.#start + inWindow : this.#start + BigInt(inWindow)
    this.#holders.set(offset, owner)
    return this.#addressOf(offset)
  }

  /** Leases the address of the range that its owner has not used for longest; null when all are used. */
  reclaim(owner: string): string | null {
    const offset = this.#kept.values().find((candidate) => this.#inWindow(candidate) !== null)
    if (offset === undefined) return null
    this.#kept.delete(offset)
    this.#holders.set(offset, owner)
    return this.#addressOf(offset)
  }

  /** The owner does not use the address for now; safe to repeat, and nothing when it is not its own. */
  keep(address: string, owner: string): void {
    const offset = this.#offsetOf(address)
    if (this.#holders.get(offset) === owner) this.#kept.add(offset)
  }

  /** Safe to repeat; another owner's lease stays. */
  release(address: string, owner: string): void {
    const offset = this.#offsetOf(address)
    if (this.#holders.get(offset) !== owner) return
    this.#holders.delete(offset)
    if (this.#kept.size > 0) this.#kept.delete(offset)
    const inWindow = this.#inWindow(offset)
    if (inWindow !== null) this.#window.free(inWindow)
  }

  /** Whether whoever holds the address uses it now. */
  isUsed(address: string): boolean {
    return !this.#kept.has(this.#offsetOf(address))
  }

  /** How many addresses of the range nobody holds. */
  get free(): number {
    return this.#window.size - this.#window.taken
  }

  get usage(): PoolUsage {
    const unused = this.#kept
      .values()
      .filter((offset) => this.#inWindow(offset) !== null)
      .toArray().length
    return {
      inUse: this.#holders.size - this.#kept.size,
      available: this.#window.size - this.#window.taken + unused,
    }
  }

  #hold(offset: Offset, owner: string): void {
    this.#holders.set(offset, owner)
    const inWindow = this.#inWindow(offset)
    if (inWindow !== null) this.#window.takeAt(inWindow)
  }

  /** Throws kind 'invalid' outside the subnet. */
  #offsetInside(address: string): Offset {
    if (containsIp(this.subnet, address)) return this.#offsetOf(address)
    throw new TsnetError(
      'invalid',
      'address-outside-subnet',
      `no configured subnet contains IP address ${address}`,
    )
  }

  /** Negative for the other family's. Throws kind 'invalid' for what is no address. */
  #offsetOf(address: string): Offset {
    const number = ip4ToNumber(address)
    if (number >= 0) return this.subnet.family === 4 ? number - this.#first4 : -1
    return ipFamily(address) === this.subnet.family ? exact(ipToInteger(address) - this.subnet.first) : -1
  }

  #addressOf(offset: Offset): string {
    if (this.subnet.family === 4) return numberToIp4(this.#first4 + Number(offset))
    return integerToIp(this.subnet.first + BigInt(offset), 6)
  }

  /** Null for an address outside the window of dynamic leases. */
  #inWindow(offset: Offset): number | null {
    const distance =
      typeof offset === 'number' && typeof this.#start === 'number'
        ? offset - this.#start
        : Number(BigInt(offset) - BigInt(this.#start))
    return distance >= 0 && distance < this.#window.size ? distance : null
  }
}

function isStructural(owner: string): boolean {
  return owner === structural.network || owner === structural.broadcast
}

function exact(distance: bigint): Offset {
  return distance <= Number.MAX_SAFE_INTEGER ? Number(distance) : distance
}
