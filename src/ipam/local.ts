/** The built-in address manager. It keeps no file: the store's records are given back to it after a restart. */

import { TsnetError } from '../errors.ts'
import type { PoolRecord } from '../store/records.ts'
import { type Cidr, containsIp, formatCidr, overlaps, parseCidr } from '../values/cidr.ts'
import { canonicalIp, ipFamily } from '../values/ip.ts'
import type { PoolIpam, PoolRequest, PoolUsage, RecordedLease } from './ipam.ts'
import { checkPoolRequest } from './request.ts'
import { SubnetLeases } from './subnet-leases.ts'
import {
  type AddressPool,
  checkAddressPool,
  chooseSubnet,
  defaultAddressPools,
  poolFamily,
  subnetCount,
  UsedBlocks,
  uniqueLocalPool,
} from './subnets.ts'
import { unknownPool } from './unknown-pool.ts'

export interface LocalIpamOptions {
  /** Where networks without a subnet get theirs. Without an IPv6 pool there is the installation's unique local /48. */
  readonly defaultPools?: readonly AddressPool[]
  /** Any text that stays the same on this installation and differs on others. */
  readonly installationId: string
  /** CIDRs of the host's routes and resolvers, asked for at each choice of a subnet. */
  readonly usedRoutes: () => readonly string[]
  /** A network's or endpoint's id in words for error texts, e.g. `container web`. */
  readonly describeOwner: (id: string) => string
}

/** Throws kind 'invalid' when a default pool cannot be cut as it says. */
export function createLocalIpam(options: LocalIpamOptions): PoolIpam {
  const pools = options.defaultPools ?? defaultAddressPools
  pools.forEach(checkAddressPool)
  return new LocalIpam(options, pools)
}

/** Which pools a network gets beside others; nothing remains of it. `taken` are the others' subnets by their networks' ids. */
export function planPools(
  options: LocalIpamOptions,
  taken: readonly { readonly owner: string; readonly subnet: string }[],
  owner: string,
  requests: readonly PoolRequest[],
): PoolRecord[] {
  const ipam = new LocalIpam(options, options.defaultPools ?? defaultAddressPools)
  for (const other of taken) ipam.occupy(other.owner, other.subnet)
  return requests.map((request) => ipam.takePool(owner, request))
}

class LocalIpam implements PoolIpam {
  readonly name = 'default'
  readonly from = 'pools'
  readonly #options: LocalIpamOptions
  readonly #pools: readonly AddressPool[]
  readonly #subnets = new Map<string, SubnetLeases>()
  readonly #used = new UsedBlocks()

  constructor(options: LocalIpamOptions, pools: readonly AddressPool[]) {
    this.#options = options
    const hasIpv6 = pools.some((pool) => poolFamily(pool) === 6)
    this.#pools = hasIpv6 ? pools : [...pools, uniqueLocalPool(options.installationId)]
  }

  async requestPool(owner: string, request: PoolRequest): Promise<PoolRecord> {
    return this.takePool(owner, request)
  }

  takePool(owner: string, request: PoolRequest): PoolRecord {
    const wanted = anySubnetOf(request)
    if (wanted === null) checkPoolRequest(request)
    const subnet = parseCidr(
      wanted === null && request.subnet !== '' ? request.subnet : this.#choose(request, wanted),
    )
    const range = request.range === '' ? subnet : parseCidr(request.range)
    const leases = this.#add(owner, subnet, range)
    try {
      const gateway = this.#takeGateway(leases, request.gateway)
      this.#reserve(leases, request.auxiliary)
      const auxiliary = this.#chooseAuxiliary(leases, request.auxiliary)
      return {
        subnet: formatCidr(subnet),
        range: request.range === '' ? '' : formatCidr(range),
        gateway,
        auxiliary,
      }
    } catch (error) {
      this.#subnets.delete(formatCidr(subnet))
      throw error
    }
  }

  async releasePool(pool: PoolRecord): Promise<void> {
    this.#subnets.delete(pool.subnet)
  }

  async lease(
    pool: PoolRecord,
    owner: string,
    wish: { address?: string; preferred?: string },
  ): Promise<string> {
    const leases = this.#leasesOf(pool)
    const address =
      wish.address !== undefined
        ? this.#takeStatic(leases, wish.address, owner)
        : (takePreferred(leases, wish.preferred, owner) ?? leases.takeNext(owner))
    if (address === null) throw this.#exhausted(leases)
    return `${address}/${leases.subnet.prefix}`
  }

  async keep(pool: PoolRecord, owner: string, address: string): Promise<void> {
    this.#subnets.get(pool.subnet)?.keep(withoutPrefix(address), owner)
  }

  async release(pool: PoolRecord, owner: string, address: string): Promise<void> {
    this.#subnets.get(pool.subnet)?.release(withoutPrefix(address), owner)
  }

  async adopt(owner: string, pool: PoolRecord, recorded: readonly RecordedLease[]): Promise<void> {
    const subnet = parseCidr(pool.subnet)
    const known = this.#subnets.get(pool.subnet)
    const leases =
      known?.owner === owner ? known : this.#add(owner, subnet, parseCidr(pool.range || pool.subnet))
    if (pool.gateway !== '') this.#takeStatic(leases, pool.gateway, owner)
    this.#reserve(leases, pool.auxiliary)
    for (const lease of recorded) {
      if (lease.used) this.#takeStatic(leases, withoutPrefix(lease.address), lease.owner)
    }
    for (const lease of recorded) {
      const address = withoutPrefix(lease.address)
      if (!lease.used && leases.take(address, lease.owner)) leases.keep(address, lease.owner)
    }
  }

  usage(pool: PoolRecord): PoolUsage {
    return this.#leasesOf(pool).usage
  }

  #leasesOf(pool: PoolRecord): SubnetLeases {
    const leases = this.#subnets.get(pool.subnet)
    if (leases !== undefined) return leases
    throw unknownPool(pool)
  }

  /** Keeps a subnet from others. */
  occupy(owner: string, subnet: string): void {
    this.#add(owner, parseCidr(subnet), parseCidr(subnet))
  }

  /** Docker checks a given subnet against other networks only: a macvlan network shares the host's own. */
  #add(owner: string, subnet: Cidr, range: Cidr): SubnetLeases {
    for (const other of this.#subnets.values()) {
      if (overlaps(other.subnet, subnet)) throw this.#overlap(owner, subnet, other)
    }
    const leases = new SubnetLeases(owner, subnet, range)
    this.#subnets.set(formatCidr(subnet), leases)
    return leases
  }

  #overlap(owner: string, subnet: Cidr, other: SubnetLeases): TsnetError {
    const whose = other.owner === owner ? 'the same network' : this.#options.describeOwner(other.owner)
    return new TsnetError(
      'forbidden',
      'pool-overlap',
      `Pool overlaps with other one on this address space: ${formatCidr(subnet)} overlaps ` +
        `${formatCidr(other.subnet)} of ${whose}`,
    )
  }

  #choose(request: PoolRequest, size: number | null): string {
    const networks = [...this.#subnets.values()].map((leases) => leases.subnet)
    const routes = this.#used.blocksOf(this.#options.usedRoutes())
    const chosen = chooseSubnet(request.family, this.#pools, [...networks, ...routes], size)
    if (chosen !== null) return chosen
    const pools = this.#pools.filter((pool) => poolFamily(pool) === request.family)
    throw size !== null && pools.every(({ base }) => parseCidr(base).prefix > size)
      ? tooLarge(size, pools)
      : this.#noSubnet(pools, routes)
  }

  #noSubnet(pools: readonly AddressPool[], routes: readonly Cidr[]): TsnetError {
    const inPools = (block: Cidr) => pools.some((pool) => overlaps(parseCidr(pool.base), block))
    const networks = [...this.#subnets.values()].filter(({ subnet }) => inPools(subnet))
    const holders = networks.map(
      ({ subnet, owner }) => `${formatCidr(subnet)} by ${this.#options.describeOwner(owner)}`,
    )
    const own = new Set(networks.map(({ subnet }) => formatCidr(subnet)))
    const blocking = routes
      .filter(inPools)
      .map(formatCidr)
      .filter((route) => !own.has(route))
    return new TsnetError(
      'unavailable',
      'no-more-subnets',
      'all predefined address pools have been fully subnetted: ' +
        `${pools.map((pool) => `${pool.base} holds ${subnetCount(pool)} of /${pool.size}`).join(', ') || 'there is none'}; ` +
        `${networks.length} taken by networks${listed(holders)}, ` +
        `${blocking.length} routes or resolvers of the host in the way${listed(blocking)}; ` +
        'give the network a subnet, or the daemon another pool with --default-address-pool base=CIDR,size=N',
    )
  }

  #exhausted(leases: SubnetLeases): TsnetError {
    const holders = leases
      .holders(shown + 1)
      .map(({ owner, address }) => `${address} by ${this.#describe(leases, owner)}`)
    const [subnet, range] = [formatCidr(leases.subnet), formatCidr(leases.range)]
    return new TsnetError(
      'unavailable',
      'no-free-address',
      `no available addresses on this pool: ${range === subnet ? '' : `the range ${range} is full, and `}${subnet} has ` +
        `${leases.usage.inUse} addresses leased or reserved${listed(holders)}; ` +
        'remove containers, or make a network with a larger --subnet or --ip-range',
    )
  }

  #reserve(leases: SubnetLeases, auxiliary: PoolRecord['auxiliary']): void {
    for (const [name, address] of Object.entries(auxiliary)) {
      if (address === '') continue
      const owner = `${auxiliaryOwner}${name}`
      if (leases.take(address, owner)) continue
      throw new TsnetError(
        'invalid',
        'address-in-use',
        `failed to allocate secondary ip address (${name}:${address}): Address already in use: ` +
          `it is the ${roleOf(leases, leases.holder(address)!)}`,
      )
    }
  }

  /** Gives an address to each name that has none. */
  #chooseAuxiliary(leases: SubnetLeases, auxiliary: PoolRecord['auxiliary']): PoolRecord['auxiliary'] {
    const chosen = Object.entries(auxiliary).map(([name, given]) => {
      const address = given === '' ? leases.takeNext(`${auxiliaryOwner}${name}`) : given
      if (address === null) throw this.#exhausted(leases)
      return [name, address]
    })
    return Object.fromEntries(chosen)
  }

  /** Without a wish the gateway is the first free address of the range. Docker names the step when it fails. */
  #takeGateway(leases: SubnetLeases, wanted: string | null): string {
    if (wanted === null) return ''
    if (leases.subnet.first === leases.subnet.last) throw noRoom(leases.subnet, wanted)
    if (wanted === '') {
      const gateway = leases.takeNext(leases.owner)
      if (gateway === null) throw this.#exhausted(leases)
      return gateway
    }
    if (leases.take(wanted, leases.owner)) return canonicalIp(wanted)
    throw new TsnetError(
      'invalid',
      'address-in-use',
      `failed to allocate gateway (${wanted}): Address already in use: it is an edge of ${formatCidr(leases.subnet)}`,
    )
  }

  #takeStatic(leases: SubnetLeases, address: string, owner: string): string {
    if (leases.take(address, owner)) return canonicalIp(address)
    throw new TsnetError(
      'conflict',
      'address-in-use',
      `Address already in use: ${address} is held by ${this.#describe(leases, leases.holder(address)!)}`,
    )
  }

  #describe(leases: SubnetLeases, holder: string): string {
    const role = roleOf(leases, holder)
    if (role === null) return this.#options.describeOwner(holder)
    return `${this.#options.describeOwner(leases.owner)} as its ${role}`
  }
}

/** A gateway alone is no network. */
function noRoom(subnet: Cidr, gateway: string): TsnetError {
  return new TsnetError(
    'invalid',
    'no-room',
    `failed to allocate gateway (${gateway}): No available addresses on this pool: the one address of ${formatCidr(subnet)} ` +
      'would be the gateway, and none be left for a container',
  )
}

function tooLarge(size: number, pools: readonly AddressPool[]): TsnetError {
  return new TsnetError(
    'invalid',
    'subnet-too-large',
    `no predefined address pool is as large as a /${size}: there are ${pools.map(({ base }) => base).join(', ')}; ` +
      'give the network a subnet of its own, or the daemon another pool with --default-address-pool base=CIDR,size=N',
  )
}

const auxiliaryOwner = 'auxiliary:'

/** What an address is to the network itself, null for that of an endpoint. */
function roleOf({ owner }: SubnetLeases, holder: string): string | null {
  if (holder === owner) return 'gateway'
  if (holder.startsWith(auxiliaryOwner)) return `auxiliary address ${holder.slice(auxiliaryOwner.length)}`
  return holder.startsWith('reserved:') ? `${holder.slice(9)} address` : null
}

/** How many holders an error names. */
const shown = 5

/** ` (a, b, c and more)`, '' for none. */
function listed(things: readonly string[]): string {
  if (things.length === 0) return ''
  return ` (${things.slice(0, shown).join(', ')}${things.length > shown ? ' and more' : ''})`
}

/** `0.0.0.0/26` and `::/64` ask for any subnet of that size, as in Docker; null for all else. */
function anySubnetOf(request: PoolRequest): number | null {
  const match = /^(?:0\.0\.0\.0|::)\/([1-9]\d*)$/.exec(request.subnet)
  if (match === null) return null
  checkPoolRequest({ ...request, subnet: '' })
  checkPoolRequest(request)
  return Number(match[1])
}

/** A wish that cannot be had, or no longer makes sense, is no error. */
function takePreferred(leases: SubnetLeases, preferred: string | undefined, owner: string): string | null {
  if (preferred === undefined || preferred === '') return null
  const address = withoutPrefix(preferred)
  if (ipFamily(address) !== leases.subnet.family || !containsIp(leases.subnet, address)) return null
  return leases.takeFree(address, owner) ? canonicalIp(address) : null
}

function withoutPrefix(address: string): string {
  const slash = address.indexOf('/')
  return slash < 0 ? address : address.slice(0, slash)
}
