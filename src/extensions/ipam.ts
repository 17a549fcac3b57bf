/**
 * An operator's address manager as one of tsnet's. Who has what is counted here too, from the records and from what the driver
 * gives out: so a driver's mistakes are refused before they are in the kernel, and the use of a pool is known at once.
 */

import { TsnetError } from '../errors.ts'
import type { PoolIpam, PoolRequest, PoolUsage, RecordedLease } from '../ipam/ipam.ts'
import { unknownPool } from '../ipam/unknown-pool.ts'
import type { PoolRecord } from '../store/records.ts'
import { containsIp, formatCidr, isCidr, parseCidr } from '../values/cidr.ts'
import { canonicalIp, isIp } from '../values/ip.ts'
import type { IpamPart, Pool } from './api/ipam.ts'
import type { Caller } from './call.ts'
import { type OptionReader, optionReader } from './options.ts'

interface KnownPool {
  readonly record: PoolRecord
  /** Owners by address. */
  readonly leases: Map<string, string>
  /** The version of the driver that knows these leases; null for none yet. */
  adopted: Promise<void> | null
}

/** A driver's pools over its reloads. */
export class ExtensionIpam {
  readonly name: string
  readonly #describeOwner: (id: string) => string
  readonly #pools = new Map<string, KnownPool>()
  #part!: IpamPart
  #caller!: Caller
  #read!: OptionReader

  /** Throws what is wrong with the schema of its options. */
  constructor(name: string, part: IpamPart, caller: Caller, describeOwner: (id: string) => string) {
    this.name = name
    this.#describeOwner = describeOwner
    this.replace(part, caller)
  }

  /** Takes the place of the driver's earlier version. Throws what is wrong with the schema, and changes nothing then. */
  replace(part: IpamPart, caller: Caller): void {
    this.#read = optionReader(this.name, part.options)
    this.#part = part
    this.#caller = caller
    this.forget()
  }

  /** The driver has lost its memory: each pool's next use begins with telling it. */
  forget(): void {
    for (const pool of this.#pools.values()) pool.adopted = null
  }

  /** As the engine sees it: what it calls goes to the version that is loaded then. */
  get driver(): PoolIpam {
    return {
      name: this.name,
      from: 'pools',
      requestPool: (owner, request) => this.#requestPool(owner, request),
      releasePool: (pool) => this.#releasePool(pool),
      lease: (pool, owner, wish) => this.#lease(pool, owner, wish),
      // The record keeps the address for its owner: the driver knows it as leased all the while.
      keep: async () => {},
      release: (pool, owner, address) => this.#release(pool, owner, address),
      adopt: async (_owner, pool, leases) => this.#adopt(pool, leases),
      usage: (pool) => this.#usage(pool),
    }
  }

  async #requestPool(network: string, request: PoolRequest): Promise<PoolRecord> {
    const wanted = { ...request, network, options: this.#read(request.options) }
    const given = await this.#caller.call('requestPool', (context) => this.#part.requestPool(wanted, context))
    const record = this.#checkPool(request, given)
    this.#pools.set(record.subnet, { record, leases: new Map(), adopted: Promise.resolve() })
    return record
  }

  #checkPool(request: PoolRequest, given: Partial<Pool>): PoolRecord {
    const {
      subnet,
      range = request.range,
      gateway = request.gateway ?? '',
      auxiliary = request.auxiliary,
    } = given
    if (typeof subnet !== 'string' || !isCidr(subnet)) {
      throw this.#caller.wrong(
        'requestPool',
        `must return a subnet in CIDR form, not ${JSON.stringify(subnet)}`,
      )
    }
    const block = parseCidr(subnet)
    if (block.family !== request.family) {
      throw this.#caller.wrong('requestPool', `has given ${subnet}, but was asked for IPv${request.family}`)
    }
    const record = { subnet: formatCidr(block), range, gateway, auxiliary }
    if (this.#pools.has(record.subnet)) {
      throw this.#caller.wrong('requestPool', `has given ${record.subnet}, which another network has`)
    }
    const stray = [gateway, ...Object.values(auxiliary)].find(
      (address) => address !== '' && !(isIp(address) && containsIp(block, address)),
    )
    if (stray === undefined) return record
    throw this.#caller.wrong(
      'requestPool',
      `has given ${JSON.stringify(stray)}, which is not an address of ${subnet}`,
    )
  }

  async #releasePool(pool: PoolRecord): Promise<void> {
    await this.#caller.call('releasePool', (context) => this.#part.releasePool(pool, context))
    this.#pools.delete(pool.subnet)
  }

  async #lease(
    pool: PoolRecord,
    owner: string,
    wish: { address?: string; preferred?: string },
  ): Promise<string> {
    const known = await this.#ready(pool)
    const address = wish.address === undefined ? '' : bare(wish.address)
    if (address !== '') this.#checkFixed(known, owner, address)
    const preferred = bare(wish.preferred ?? '')
    const given = await this.#caller.call('lease', (context) =>
      this.#part.lease(pool, { owner, address, preferred }, context),
    )
    if (given === null) throw this.#exhausted(known)
    const leased = this.#checkLease(known, owner, address, given)
    known.leases.set(leased, owner)
    return `${leased}/${parseCidr(pool.subnet).prefix}`
  }

  #checkFixed(known: KnownPool, owner: string, address: string): void {
    const { record, leases } = known
    if (!containsIp(parseCidr(record.subnet), address)) {
      throw new TsnetError(
        'invalid',
        'address-outside-subnet',
        `no configured subnet contains IP address ${address}: the network has ${record.subnet}`,
      )
    }
    const holder = holderOf(record, leases, address)
    if (holder === null || holder === owner) return
    const name = holder === reserved ? 'the network itself' : this.#describeOwner(holder)
    throw new TsnetError(
      'conflict',
      'address-in-use',
      `Address already in use: ${address} is held by ${name}`,
    )
  }

  #checkLease({ record, leases }: KnownPool, owner: string, wanted: string, given: unknown): string {
    const address = typeof given === 'string' ? bare(given) : ''
    if (!isIp(address) || !containsIp(parseCidr(record.subnet), address)) {
      throw this.#caller.wrong(
        'lease',
        `has given ${JSON.stringify(given)}, which is not in ${record.subnet}`,
      )
    }
    const canonical = canonicalIp(address)
    if (wanted !== '' && canonical !== canonicalIp(wanted)) {
      throw this.#caller.wrong('lease', `has given ${canonical} where ${wanted} was asked for`)
    }
    const holder = holderOf(record, leases, canonical)
    if (holder === null || holder === owner) return canonical
    const name = holder === reserved ? 'the network itself' : this.#describeOwner(holder)
    throw this.#caller.wrong('lease', `has given ${canonical}, which ${name} has`)
  }

  async #release(pool: PoolRecord, owner: string, address: string): Promise<void> {
    const { leases } = await this.#ready(pool)
    const released = canonicalIp(bare(address))
    // A stranger, or a release that is repeated.
    if (leases.get(released) !== owner) return
    await this.#caller.call('release', (context) =>
      this.#part.release(pool, { owner, address: released }, context),
    )
    leases.delete(released)
  }

  /** The driver is told before the pool's next use: one that hangs must not keep the daemon from starting. */
  #adopt(pool: PoolRecord, recorded: readonly RecordedLease[]): void {
    // After a reload: what is known here may be newer than the records.
    if (this.#pools.has(pool.subnet)) return
    const leases = new Map<string, string>()
    // Of two owners of an address the one that uses it has it, else the later.
    for (const { address, owner } of recorded.toSorted((a, b) => Number(a.used) - Number(b.used))) {
      leases.set(canonicalIp(bare(address)), owner)
    }
    this.#pools.set(pool.subnet, { record: pool, leases, adopted: null })
  }

  async #ready(pool: PoolRecord): Promise<KnownPool> {
    const known = this.#poolOf(pool)
    known.adopted ??= this.#tellLeases(known)
    try {
      await known.adopted
      return known
    } catch (error) {
      known.adopted = null
      throw error
    }
  }

  async #tellLeases({ record, leases }: KnownPool): Promise<void> {
    const told = [...leases].map(([address, owner]) => ({ address, owner }))
    await this.#caller.call('adopt', (context) => this.#part.adopt?.(record, told, context))
  }

  #usage(pool: PoolRecord): PoolUsage {
    const { record, leases } = this.#poolOf(pool)
    const { first, last, family } = parseCidr(record.range || record.subnet)
    // The first and the last address of an IPv4 subnet stand for itself and for everybody.
    const edges = family === 4 && record.range === '' && last - first > 1n ? 2 : 0
    const own = new Set([record.gateway, ...Object.values(record.auxiliary)].filter((one) => one !== ''))
    const inUse = leases.size + own.size + edges
    const size = Number(last - first) + 1
    return { inUse, available: Math.max(0, size - inUse) }
  }

  #poolOf(pool: PoolRecord): KnownPool {
    const known = this.#pools.get(pool.subnet)
    if (known !== undefined) return known
    throw unknownPool(pool)
  }

  #exhausted({ record, leases }: KnownPool): TsnetError {
    return new TsnetError(
      'unavailable',
      'no-free-address',
      `no available addresses on this pool: driver ${this.name} has none left in ${record.subnet}, where ${leases.size} are leased`,
    )
  }
}

const reserved = ''

/** Who has an address, '' for the network itself, null for nobody. */
function holderOf(record: PoolRecord, leases: ReadonlyMap<string, string>, address: string): string | null {
  const canonical = canonicalIp(address)
  const own = [record.gateway, ...Object.values(record.auxiliary)].filter((one) => one !== '')
  if (own.some((one) => canonicalIp(one) === canonical)) return reserved
  return leases.get(canonical) ?? null
}

function bare(address: string): string {
  return address.split('/', 1)[0] ?? ''
}
