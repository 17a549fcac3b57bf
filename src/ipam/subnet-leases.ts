/** The leases of one subnet: who holds which address. */
import { TsnetError } from '../errors.ts'
import { broadcastAddress, type Cidr, containsIp } from '../values/cidr.ts'
import { canonicalIp, familyBits, integerToIp, ipToInteger } from '../values/ip.ts'
import { OffsetPool } from './pool.ts'

/**
 * Addresses beyond this many from the range's start are leased on request only: nobody attaches more endpoints to one
 * network, and an IPv6 subnet's bitmap stays small.
 */
const dynamicWindow = { 4: 1n << 24n, 6: 1n << 20n } as const

/** Owners that are no endpoint: what stands for itself in the subnet. */
const structural = { network: 'reserved:network', broadcast: 'reserved:broadcast' } as const

export class SubnetLeases {
  readonly subnet: Cidr
  /** the network's id */
  readonly owner: string
  readonly #start: bigint
  readonly #offsets: OffsetPool
  readonly #holders = new Map<string, string>()

  constructor(owner: string, subnet: Cidr, range: Cidr) {
    this.owner = owner
    this.subnet = subnet
    this.#start = range.first
    const size = range.last - range.first + 1n
    const window = dynamicWindow[subnet.family]
    this.#offsets = new OffsetPool(Number(size < window ? size : window))
    this.#reserveEdges()
  }

  /** The first address names the subnet (IPv6: its routers, RFC 4291), except in point-to-point blocks (RFC 3021, 6164). */
  #reserveEdges(): void {
    if (this.subnet.prefix >= familyBits(this.subnet.family) - 1) return
    this.#hold(this.subnet.network, structural.network)
    const broadcast = broadcastAddress(this.subnet)
    if (broadcast !== null) this.#hold(broadcast, structural.broadcast)
  }

  /** Who holds the address, or null. */
  holder(address: string): string | null {
    return this.#holders.get(canonicalIp(address)) ?? null
  }

  /** Leases that address; true when it is the owner's now. Throws kind 'invalid' outside the subnet. */
  take(address: string, owner: string): boolean {
    if (!containsIp(this.subnet, address)) {
      throw new TsnetError(
        'invalid',
        'address-outside-subnet',
        `no configured subnet contains IP address ${address}`,
      )
    }
    const canonical = canonicalIp(address)
    const holder = this.#holders.get(canonical)
    if (holder === undefined) this.#hold(canonical, owner)
    return holder === undefined || holder === owner
  }

  /** Leases the next free address of the range, or returns null. */
  takeNext(owner: string): string | null {
    const offset = this.#offsets.take()
    if (offset === null) return null
    const address = integerToIp(this.#start + BigInt(offset), this.subnet.family)
    this.#holders.set(address, owner)
    return address
  }

  /** Safe to repeat; another owner's lease stays. */
  release(address: string, owner: string): void {
    const canonical = canonicalIp(address)
    if (this.#holders.get(canonical) !== owner) return
    this.#holders.delete(canonical)
    const offset = this.#offsetOf(canonical)
    if (offset !== null) this.#offsets.free(offset)
  }

  /** How many addresses are leased, the reserved ones included. */
  get count(): number {
    return this.#holders.size
  }

  #hold(address: string, owner: string): void {
    this.#holders.set(address, owner)
    const offset = this.#offsetOf(address)
    if (offset !== null) this.#offsets.takeAt(offset)
  }

  /** Null for an address outside the window of dynamic leases. */
  #offsetOf(address: string): number | null {
    const offset = ipToInteger(address) - this.#start
    return offset >= 0n && offset < BigInt(this.#offsets.size) ? Number(offset) : null
  }
}
