/** What this host has of a subnet that a cluster shares: whole blocks, and single addresses that others have left to it. */
import { type Cidr, containsIp, formatCidr, parseCidr } from '../../values/cidr.ts'
import { canonicalIp, familyBits, ipFamily } from '../../values/ip.ts'
import type { PoolUsage } from '../ipam.ts'
import { SubnetLeases } from '../subnet-leases.ts'
import { blockAround, dynamicAddresses } from './blocks.ts'

/** What must outlive the daemon: blocks, and who has addresses of theirs that were left to other hosts. */
export type HeldBlocks = Readonly<Record<string, Readonly<Record<string, string>>>>

/** Addresses of the network's own, which every host knows. */
export interface Reserved {
  readonly address: string
  /** the network's id, or `auxiliary:<name>` */
  readonly owner: string
}

/** Begins the owner of an address that was left to another host. */
const leftMark = 'left:'

export interface SingleLease {
  readonly owner: string
  readonly used: boolean
}

export class Holdings {
  readonly network: string
  readonly subnet: Cidr
  /** From which addresses are given out to who names none. */
  readonly range: Cidr
  readonly reserved: readonly Reserved[]
  readonly #blocks = new Map<string, SubnetLeases>()
  readonly #singles = new Map<string, SingleLease>()

  constructor(network: string, subnet: Cidr, range: Cidr, reserved: readonly Reserved[]) {
    this.network = network
    this.subnet = subnet
    this.range = range
    this.reserved = reserved
  }

  get blocks(): string[] {
    return [...this.#blocks.keys()]
  }

  get singles(): ReadonlyMap<string, SingleLease> {
    return this.#singles
  }

  /** Whether the address lies in a block of this host's. */
  has(address: string): boolean {
    return this.#blocks.has(blockAround(this.range, address))
  }

  /** Takes up a block with what was left of it to other hosts. Single addresses of this host's in it become leases like others; they are returned. */
  addBlock(block: string, left: Readonly<Record<string, string>>): string[] {
    if (this.#blocks.has(block)) return []
    const leases = new SubnetLeases(this.network, this.subnet, parseCidr(block))
    this.#blocks.set(block, leases)
    for (const { address, owner } of this.#reservedIn(block)) leases.take(address, owner)
    for (const [address, who] of Object.entries(left)) leases.take(address, leftMark + who)
    const own = [...this.#singles].filter(([address]) => containsIp(parseCidr(block), address))
    for (const [address, { owner, used }] of own) {
      this.#singles.delete(address)
      leases.take(address, owner)
      if (!used) leases.keep(address, owner)
    }
    return own.map(([address]) => address)
  }

  /** Returns what endpoints of this host use of it. */
  dropBlock(block: string): { owner: string; address: string }[] {
    const leases = this.#blocks.get(block)
    this.#blocks.delete(block)
    const users = leases === undefined ? [] : this.#usersOf(block, leases, Number.POSITIVE_INFINITY)
    return users.filter(({ owner, address }) => !owner.startsWith(leftMark) && leases?.isUsed(address))
  }

  /** Those of which nothing is leased or left to others. */
  emptyBlocks(): string[] {
    return [...this.#blocks]
      .filter(([block, leases]) => this.#usersOf(block, leases, 1).length === 0)
      .map(([block]) => block)
  }

  /** How many addresses for who names none nobody has. */
  get free(): number {
    return this.#dynamic().reduce((sum, leases) => sum + leases.free, 0)
  }

  get isEmpty(): boolean {
    return this.#singles.size === 0 && this.emptyBlocks().length === this.#blocks.size
  }

  /** As `SubnetLeases.take`; false also for an address that is not this host's to give. */
  take(address: string, owner: string): boolean {
    const single = this.#singles.get(address)
    if (single !== undefined)
      return (single.owner === owner || !single.used) && this.addSingle(address, owner)
    return this.#leasesOf(address)?.take(address, owner) ?? false
  }

  /** Undefined when it is nobody's on this host. */
  holder(address: string): string | undefined {
    const reserved = this.reserved.find((one) => one.address === canonicalIp(address))
    return (
      reserved?.owner ??
      this.#singles.get(address)?.owner ??
      this.#leasesOf(address)?.holder(address) ??
      undefined
    )
  }

  /** The address that the owner had before, when it is free. */
  takePreferred(preferred: string, owner: string): string | null {
    if (preferred === '' || ipFamily(preferred) !== this.subnet.family) return null
    const address = canonicalIp(preferred)
    const single = this.#singles.get(address)
    if (single !== undefined) return single.owner === owner && this.addSingle(address, owner) ? address : null
    if (!containsIp(this.subnet, address)) return null
    return this.#leasesOf(address)?.takeFree(address, owner) ? address : null
  }

  /** One that nobody has. */
  takeFree(owner: string): string | null {
    for (const leases of this.#dynamic()) {
      const address = leases.takeNextFree(owner)
      if (address !== null) return address
    }
    return null
  }

  /** One whose owner does not use it now. */
  reclaim(owner: string): string | null {
    for (const leases of this.#dynamic()) {
      const address = leases.reclaim(owner)
      if (address !== null) return address
    }
    return null
  }

  addSingle(address: string, owner: string, used = true): true {
    this.#singles.set(address, { owner, used })
    return true
  }

  dropSingle(address: string): void {
    this.#singles.delete(address)
  }

  keep(address: string, owner: string): void {
    if (this.#singles.get(address)?.owner === owner) this.addSingle(address, owner, false)
    else this.#leasesOf(address)?.keep(address, owner)
  }

  /** Returns whether it was a single address, whose claim can go now. */
  release(address: string, owner: string): boolean {
    if (this.#singles.get(address)?.owner === owner) return this.#singles.delete(address)
    this.#leasesOf(address)?.release(address, owner)
    return false
  }

  /** Leaves an address to another host; false when an endpoint of this host's uses it, other than the one that has moved there. */
  leave(address: string, who: string, moved = ''): boolean {
    const leases = this.#leasesOf(address)
    leases?.release(address, moved)
    const holder = leases?.holder(address) ?? null
    // Two claims of one address cannot be: the later one has taken the place of the earlier.
    if (holder?.startsWith(leftMark)) leases?.release(address, holder)
    return leases?.take(address, leftMark + who) ?? false
  }

  /** Who an address was left to, undefined for nobody. */
  leftTo(address: string): string | undefined {
    const holder = this.#leasesOf(address)?.holder(address)
    return holder?.startsWith(leftMark) ? holder.slice(leftMark.length) : undefined
  }

  takeBack(address: string): void {
    const leases = this.#leasesOf(address)
    const who = this.leftTo(address)
    if (who !== undefined) leases?.release(address, leftMark + who)
  }

  /** An address of the range that nobody has, for another host; nothing is taken. */
  suggest(): string | null {
    const owner = `${leftMark}?`
    const address = this.takeFree(owner)
    if (address !== null) this.#leasesOf(address)?.release(address, owner)
    return address
  }

  get held(): HeldBlocks {
    return Object.fromEntries(
      [...this.#blocks].map(([block, leases]) => [block, Object.fromEntries(this.#left(block, leases))]),
    )
  }

  /** As far as this host knows: what others have in their blocks counts as available. */
  get usage(): PoolUsage {
    const size = dynamicAddresses(this.range)
    const used = [...this.#blocks].flatMap(([block, leases]) =>
      this.#usersOf(block, leases, Number.POSITIVE_INFINITY),
    )
    const inUse = used.length + this.#singles.size + this.reserved.length + edges(this.subnet)
    return { inUse, available: Math.max(0, size - inUse) }
  }

  #left(block: string, leases: SubnetLeases): [address: string, who: string][] {
    return this.#usersOf(block, leases, Number.POSITIVE_INFINITY)
      .filter(({ owner }) => owner.startsWith(leftMark))
      .map(({ address, owner }) => [address, owner.slice(leftMark.length)])
  }

  #usersOf(block: string, leases: SubnetLeases, limit: number): { owner: string; address: string }[] {
    const reserved = this.#reservedIn(block)
    return leases
      .holders(limit + reserved.length)
      .filter(({ address }) => !reserved.some((one) => one.address === address))
      .slice(0, limit)
  }

  #reservedIn(block: string): Reserved[] {
    return this.reserved.filter(({ address }) => containsIp(parseCidr(block), address))
  }

  #leasesOf(address: string): SubnetLeases | undefined {
    return this.#blocks.get(blockAround(this.range, address))
  }

  /** Blocks outside the range were taken for addresses that were asked for by name. */
  #dynamic(): SubnetLeases[] {
    return [...this.#blocks]
      .filter(([block]) => containsIp(this.range, parseCidr(block).network))
      .map(([, leases]) => leases)
  }
}

/** How many addresses no endpoint can have. */
function edges(subnet: Cidr): number {
  if (subnet.prefix >= familyBits(subnet.family) - 1) return 0
  return subnet.family === 4 ? 2 : 1
}

/** The subnet in canonical form, by which holdings are known. */
export function keyOf(subnet: string): string {
  return formatCidr(parseCidr(subnet))
}
