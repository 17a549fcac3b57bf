/**
 * The address manager of networks that a cluster shares. A host takes blocks of a subnet for itself, and leases from them as the
 * local one does: without a question to anybody, also while etcd is away. Another host's addresses it can have one by one.
 */
import type { Cluster, LostHolding } from '../../cluster/cluster.ts'
import { addressKey, blockKey } from '../../cluster/keys.ts'
import { errorMessage, TsnetError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import type { PoolRecord } from '../../store/records.ts'
import { formatCidr, parseCidr } from '../../values/cidr.ts'
import { canonicalIp, familyBits } from '../../values/ip.ts'
import type { PoolLeases, PoolUsage, RecordedLease } from '../ipam.ts'
import { unknownPool } from '../unknown-pool.ts'
import { blockAround, blockPrefix, blocksFor } from './blocks.ts'
import { formatClaim } from './claims.ts'
import { type HeldBlocks, Holdings, keyOf, type Reserved } from './holdings.ts'
import { Neighbours } from './neighbours.ts'

export interface ClusterIpamOptions {
  readonly cluster: Cluster
  readonly log: Logger
  /** A network's or endpoint's id in words, e.g. `container web`. */
  readonly describeOwner: (id: string) => string
  /** What is held of a subnet, kept beyond the daemon's end. */
  readonly kept: {
    read(network: string, subnet: string): HeldBlocks
    write(network: string, subnet: string, held: HeldBlocks | null): void
  }
  /** Called with an endpoint whose address has turned out to be another host's. */
  readonly onLost: (endpoint: string, address: string, holder: string) => void
}

export interface ClusterIpam extends PoolLeases, Disposable {
  /** Blocks and addresses that others have taken while this host was away: their endpoints get others' leave, or are told to `onLost`. */
  handleLost(lost: readonly LostHolding[]): Promise<void>
}

export function createClusterIpam(options: ClusterIpamOptions): ClusterIpam {
  return new SharedIpam(options)
}

/** milliseconds for which a block of which nothing is leased is kept for what comes next */
const spareTime = 60_000
/** milliseconds for which all blocks count as taken once they were */
const fullTime = 10_000

interface Subnet {
  readonly holdings: Holdings
  readonly neighbours: Neighbours
  /** Questions to etcd about this subnet, one after the other. */
  turn: Promise<unknown>
  isGrowing: boolean
  /** milliseconds since the epoch until which no block is looked for before the last one is used up */
  fullUntil: number
  spare: NodeJS.Timeout | null
}

class SharedIpam implements ClusterIpam {
  readonly #options: ClusterIpamOptions
  readonly #subnets = new Map<string, Subnet>()

  constructor(options: ClusterIpamOptions) {
    this.#options = options
  }

  async adopt(network: string, pool: PoolRecord, recorded: readonly RecordedLease[]): Promise<void> {
    const subnet = this.#subnets.get(keyOf(pool.subnet)) ?? this.#add(network, pool)
    const { holdings } = subnet
    for (const { owner, address, used } of recorded) {
      const bare = canonicalIp(withoutPrefix(address))
      if (holdings.has(bare)) {
        if (holdings.take(bare, owner) && !used) holdings.keep(bare, owner)
      } else if (used) this.#claimAgain(subnet, bare, owner)
    }
    this.#giveBack(subnet)
  }

  /** An address of another host's block is this one's as long as its claim stands. */
  #claimAgain({ holdings, neighbours }: Subnet, address: string, owner: string): void {
    const { cluster, describeOwner } = this.#options
    holdings.addSingle(address, owner)
    const claim = { node: cluster.self.name, endpoint: owner, question: '', who: describeOwner(owner) }
    cluster.holdLater(addressKey(holdings.network, address), formatClaim(claim))
    neighbours.follow()
  }

  #add(network: string, pool: PoolRecord): Subnet {
    const { cluster, kept, log, describeOwner, onLost } = this.#options
    const subnet = parseCidr(pool.subnet)
    const holdings = new Holdings(
      network,
      subnet,
      parseCidr(pool.range || pool.subnet),
      reservedOf(network, pool),
    )
    const save = (): void => kept.write(network, pool.subnet, holdings.held)
    const neighbours = new Neighbours({ cluster, log, holdings, describeOwner, onLost, save })
    const added = {
      holdings,
      neighbours,
      turn: Promise.resolve(),
      isGrowing: false,
      fullUntil: 0,
      spare: null,
    }
    this.#subnets.set(keyOf(pool.subnet), added)
    for (const [block, left] of Object.entries(kept.read(network, pool.subnet))) {
      cluster.holdLater(blockKey(network, block), cluster.self.name)
      holdings.addBlock(block, left)
      neighbours.follow()
    }
    return added
  }

  async lease(
    pool: PoolRecord,
    owner: string,
    wish: { address?: string; preferred?: string },
  ): Promise<string> {
    const subnet = this.#find(pool)
    const address =
      wish.address === undefined
        ? await this.#leaseAny(subnet, owner, withoutPrefix(wish.preferred ?? ''))
        : await this.#leaseFixed(subnet, owner, this.#checked(subnet, wish.address))
    this.#growInTime(subnet)
    return `${address}/${subnet.holdings.subnet.prefix}`
  }

  async #leaseAny(subnet: Subnet, owner: string, preferred: string): Promise<string> {
    const { holdings } = subnet
    const present = (): string | null => holdings.takePreferred(preferred, owner) ?? holdings.takeFree(owner)
    return (
      present() ??
      inTurn(subnet, async () => {
        // Who was before may have taken a block.
        for (;;) {
          const address = present()
          if (address !== null) return address
          if (!(await this.#grow(subnet))) return this.#leaseLast(subnet, owner)
        }
      })
    )
  }

  /** All blocks are taken: what others' endpoints do not use here, or what other hosts have left. */
  async #leaseLast({ holdings, neighbours }: Subnet, owner: string): Promise<string> {
    const address = holdings.reclaim(owner) ?? (await neighbours.askAny(owner))
    if (address !== null) return address
    throw new TsnetError(
      'unavailable',
      'no-free-address',
      `no available addresses on this pool: ${formatCidr(holdings.subnet)} has all its blocks taken by hosts of the ` +
        `cluster, ${holdings.blocks.length} by this one, and none has an address left; remove containers, or make a network ` +
        'with a larger --subnet or --ip-range',
    )
  }

  #checked({ holdings }: Subnet, address: string): string {
    const bare = canonicalIp(withoutPrefix(address))
    // Throws for what lies outside.
    if (parseCidr(`${bare}/${holdings.subnet.prefix}`).network === holdings.subnet.network) return bare
    throw new TsnetError(
      'invalid',
      'address-outside-subnet',
      `no configured subnet contains IP address ${address}`,
    )
  }

  async #leaseFixed(subnet: Subnet, owner: string, address: string): Promise<string> {
    const { holdings, neighbours } = subnet
    if (holdings.take(address, owner)) return address
    this.#refuseHeld(holdings, address)
    const block = blockAround(holdings.range, address)
    const holder = await inTurn(subnet, () => this.#takeBlock(subnet, block))
    if (holder === '') {
      if (holdings.take(address, owner)) return address
      this.#refuseHeld(holdings, address)
    }
    await neighbours.ask(owner, address, holder)
    return address
  }

  #refuseHeld(holdings: Holdings, address: string): void {
    const holder = holdings.leftTo(address) ?? this.#describe(holdings, holdings.holder(address))
    if (holder === '') return
    throw new TsnetError(
      'conflict',
      'address-in-use',
      `Address already in use: ${address} is held by ${holder}`,
    )
  }

  #describe({ network }: Holdings, holder: string | undefined): string {
    const { describeOwner, cluster } = this.#options
    if (holder === undefined) return ''
    if (holder === network) return `${describeOwner(network)} as its gateway`
    if (/^(auxiliary|reserved):/.test(holder))
      return `${describeOwner(network)} as its ${holder.replace(':', ' address ')}`
    return `${describeOwner(holder)} on ${cluster.self.name}`
  }

  /** Another block, while there is room still. */
  #growInTime(subnet: Subnet): void {
    const { holdings } = subnet
    const isConnected = this.#options.cluster.health().state === 'connected'
    if (subnet.isGrowing || holdings.free >= lowOf(holdings) || !isConnected || Date.now() < subnet.fullUntil)
      return
    subnet.isGrowing = true
    inTurn(subnet, () => this.#grow(subnet))
      .catch((error: unknown) =>
        this.#options.log.debug({ err: errorMessage(error) }, 'no further block of addresses'),
      )
      .finally(() => {
        subnet.isGrowing = false
      })
  }

  /** Takes a block of the range; false when all are taken. */
  async #grow(subnet: Subnet): Promise<boolean> {
    const { holdings } = subnet
    const own = new Set(holdings.blocks)
    let taken: ReadonlySet<string> = own
    for (const block of blocksFor(holdings.range, this.#options.cluster.self.name)) {
      if (own.has(block) || taken.has(block)) continue
      if ((await this.#takeBlock(subnet, block)) === '') return true
      // With the first one that is taken all that are taken are learnt.
      if (taken === own) taken = await this.#takenBlocks(holdings.network)
    }
    subnet.fullUntil = Date.now() + fullTime
    return false
  }

  async #takenBlocks(network: string): Promise<ReadonlySet<string>> {
    const found = await this.#options.cluster.list(blockKey(network, ''))
    return new Set(found.keys())
  }

  /** Returns '' for one that is this host's now, else who has it. */
  async #takeBlock({ holdings, neighbours }: Subnet, block: string): Promise<string> {
    const { cluster } = this.#options
    const { network, subnet } = holdings
    const { name } = cluster.self
    const { state, error, since } = cluster.health()
    if (state !== 'connected') {
      throw new TsnetError(
        'unavailable',
        'cluster-away',
        `a further block of addresses of ${formatCidr(subnet)} needs etcd, which is away since ${since}: ${error}`,
      )
    }
    const holder = await cluster.hold(blockKey(network, block), name)
    if (holder !== name) return holder
    try {
      // Read after the block is this host's: who claims an address of it from now on asks this host.
      const left = await neighbours.claimsIn(block)
      for (const address of holdings.addBlock(block, left)) cluster.release(addressKey(network, address))
      neighbours.follow()
      neighbours.save()
    } catch (error) {
      cluster.release(blockKey(network, block))
      throw error
    }
    return ''
  }

  async keep(pool: PoolRecord, owner: string, address: string): Promise<void> {
    this.#subnets.get(keyOf(pool.subnet))?.holdings.keep(canonicalIp(withoutPrefix(address)), owner)
  }

  async release(pool: PoolRecord, owner: string, address: string): Promise<void> {
    const subnet = this.#subnets.get(keyOf(pool.subnet))
    if (subnet === undefined) return
    const { holdings } = subnet
    const bare = canonicalIp(withoutPrefix(address))
    if (holdings.release(bare, owner)) this.#options.cluster.release(addressKey(holdings.network, bare))
    this.#giveBack(subnet)
  }

  /** Empty blocks go, the last of them a while later, unless the others are nearly used up. */
  #giveBack(subnet: Subnet): void {
    const { holdings } = subnet
    const empty = holdings.emptyBlocks()
    if (empty.length === 0 || subnet.isGrowing) return
    this.#dropBlocks(subnet, empty.slice(1))
    subnet.spare ??= setTimeout(() => {
      subnet.spare = null
      const spare = holdings.emptyBlocks()
      const isWanted =
        spare.length < holdings.blocks.length && holdings.free - sizeOf(holdings) < lowOf(holdings)
      if (!isWanted) this.#dropBlocks(subnet, spare)
    }, spareTime).unref()
  }

  #dropBlocks({ holdings, neighbours }: Subnet, blocks: readonly string[]): void {
    for (const block of blocks) {
      holdings.dropBlock(block)
      this.#options.cluster.release(blockKey(holdings.network, block))
    }
    if (blocks.length > 0) neighbours.save()
    if (holdings.blocks.length === 0 && holdings.singles.size === 0) neighbours.unfollow()
  }

  async releasePool(pool: PoolRecord): Promise<void> {
    const subnet = this.#subnets.get(keyOf(pool.subnet))
    if (subnet === undefined) return
    this.#subnets.delete(keyOf(pool.subnet))
    const { holdings } = subnet
    for (const address of holdings.singles.keys())
      this.#options.cluster.release(addressKey(holdings.network, address))
    for (const block of holdings.blocks) this.#options.cluster.release(blockKey(holdings.network, block))
    this.#options.kept.write(holdings.network, pool.subnet, null)
    stop(subnet)
  }

  usage(pool: PoolRecord): PoolUsage {
    return this.#find(pool).holdings.usage
  }

  async handleLost(lost: readonly LostHolding[]): Promise<void> {
    for (const { key, holder } of lost) {
      for (const subnet of this.#subnets.values()) {
        const { network, blocks, singles } = subnet.holdings
        const block = blocks.find((one) => blockKey(network, one) === key)
        if (block !== undefined) await this.#loseBlock(subnet, block, holder)
        const address = [...singles.keys()].find((one) => addressKey(network, one) === key)
        if (address !== undefined) await this.#loseAddress(subnet, address, holder)
      }
    }
  }

  /** Its addresses are another's to give: those in use are asked for. */
  async #loseBlock(subnet: Subnet, block: string, holder: string): Promise<void> {
    const { holdings, neighbours } = subnet
    const { log, onLost } = this.#options
    log.warn({ block, holder }, 'a block of addresses was taken by another host while this one was away')
    const users = holdings.dropBlock(block)
    neighbours.save()
    await Promise.all(
      users.map(async ({ owner, address }) => {
        try {
          await neighbours.ask(owner, address, holder)
        } catch (error) {
          log.warn({ address, err: errorMessage(error) }, 'an address could not be had back')
          onLost(owner, address, holder)
        }
      }),
    )
  }

  async #loseAddress(subnet: Subnet, address: string, holder: string): Promise<void> {
    const { cluster, onLost } = this.#options
    const { holdings } = subnet
    const { owner } = holdings.singles.get(address)!
    if (holder === cluster.self.name) return this.#replaceClaim(subnet, address, owner)
    holdings.dropSingle(address)
    onLost(owner, address, holder)
  }

  /** This host's own claim of before its restart says something else, as when the container was renamed since. */
  async #replaceClaim(subnet: Subnet, address: string, owner: string): Promise<void> {
    const { cluster } = this.#options
    const key = addressKey(subnet.holdings.network, address)
    const standing = (await cluster.list(key)).get('')
    if (standing !== undefined) await cluster.put(key, undefined, standing)
    this.#claimAgain(subnet, address, owner)
  }

  #find(pool: PoolRecord): Subnet {
    const subnet = this.#subnets.get(keyOf(pool.subnet))
    if (subnet !== undefined) return subnet
    throw unknownPool(pool)
  }

  [Symbol.dispose](): void {
    for (const subnet of this.#subnets.values()) stop(subnet)
  }
}

/** Addresses of a block. */
function sizeOf({ range }: Holdings): number {
  return 2 ** (familyBits(range.family) - blockPrefix(range))
}

/** How few free addresses make a host take another block. */
function lowOf(holdings: Holdings): number {
  return Math.ceil(sizeOf(holdings) / 4)
}

function stop({ neighbours, spare }: Subnet): void {
  neighbours.unfollow()
  if (spare !== null) clearTimeout(spare)
}

function inTurn<T>(subnet: Subnet, body: () => Promise<T>): Promise<T> {
  const turn = subnet.turn.then(body)
  // A failure is its caller's affair.
  subnet.turn = turn.catch(() => {})
  return turn
}

function reservedOf(network: string, { gateway, auxiliary }: PoolRecord): Reserved[] {
  const named = Object.entries(auxiliary).map(([name, address]) => ({ address, owner: `auxiliary:${name}` }))
  return [...(gateway === '' ? [] : [{ address: gateway, owner: network }]), ...named]
}

function withoutPrefix(address: string): string {
  const slash = address.indexOf('/')
  return slash < 0 ? address : address.slice(0, slash)
}
