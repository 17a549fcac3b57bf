/** One subnet of a network that a cluster shares, on this host: takes blocks of it, leases from them, and gives them back. */
import type { Cluster } from '../../cluster/cluster.ts'
import { addressKey, blockKey } from '../../cluster/keys.ts'
import { errorMessage, TsnetError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { containsIp, formatCidr } from '../../values/cidr.ts'
import { familyBits } from '../../values/ip.ts'
import type { RecordedLease } from '../ipam.ts'
import { unknownPool } from '../unknown-pool.ts'
import { blockAround, blockPrefix, blocksFor } from './blocks.ts'
import { formatClaim } from './claims.ts'
import type { HeldBlocks, Holdings } from './holdings.ts'
import { MovingAddresses } from './moving.ts'
import { Neighbours } from './neighbours.ts'

export interface SubnetOptions {
  readonly cluster: Cluster
  readonly log: Logger
  /** A network's or endpoint's id in words, e.g. `container web`. */
  readonly describeOwner: (id: string) => string
  /** Called with an endpoint whose address has turned out to be another host's. */
  readonly onLost: (endpoint: string, address: string, holder: string) => void
  /** Keeps what is held beyond the daemon's end. */
  readonly save: () => void
}

/** milliseconds for which a block of which nothing is leased is kept for what comes next */
const spareTime = 60_000
/** milliseconds for which all blocks count as taken once they were */
const fullTime = 10_000

export class SharedSubnet {
  readonly holdings: Holdings
  /** Addresses of endpoints that go to another host or come from one. */
  readonly moving: MovingAddresses
  readonly #options: SubnetOptions
  readonly #neighbours: Neighbours
  /** Questions to etcd, one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #isGrowing = false
  #isReleased = false
  /** milliseconds of the monotonic clock until which no block is looked for before the last one is used up */
  #fullUntil = 0
  #spare: NodeJS.Timeout | null = null

  constructor(holdings: Holdings, options: SubnetOptions) {
    this.holdings = holdings
    this.#options = options
    this.#neighbours = new Neighbours({ ...options, holdings })
    this.moving = new MovingAddresses({
      ...options,
      holdings,
      claim: (address, owner) => this.#claimAgain(address, owner),
    })
  }

  /** After a start of the daemon: blocks of before. */
  holdAgain(held: HeldBlocks): void {
    const { cluster } = this.#options
    for (const [block, left] of Object.entries(held)) {
      cluster.holdLater(blockKey(this.holdings.network, block), cluster.self.name)
      this.holdings.addBlock(block, left)
      this.#neighbours.follow()
    }
  }

  /** After that: a lease of before. */
  adopt({ owner, address, used, undecided = false }: RecordedLease): void {
    const { holdings } = this
    if (holdings.has(address)) {
      if (holdings.take(address, owner) && !used) holdings.keep(address, owner)
    } else if (used && !undecided) this.#claimAgain(address, owner)
  }

  /** An address of another host's block is this one's as long as its claim stands. */
  #claimAgain(address: string, owner: string): void {
    const { cluster, describeOwner } = this.#options
    this.holdings.addSingle(address, owner)
    const claim = { node: cluster.self.name, endpoint: owner, question: '', who: describeOwner(owner) }
    cluster.holdLater(addressKey(this.holdings.network, address), formatClaim(claim))
    this.#neighbours.follow()
  }

  /** `preferred` if that is free, '' for none. Throws kind 'unavailable' when there is nothing to be had. */
  async leaseAny(owner: string, preferred: string): Promise<string> {
    const { holdings } = this
    const present = (): string | null => holdings.takePreferred(preferred, owner) ?? holdings.takeFree(owner)
    return (
      present() ??
      this.#inTurn(async () => {
        // Who was before may have taken a block.
        for (;;) {
          const address = present()
          if (address !== null) return address
          if (!(await this.#grow())) return this.#leaseLast(owner)
        }
      })
    )
  }

  /** All blocks are taken: what others' endpoints do not use here, or what other hosts have left. */
  async #leaseLast(owner: string): Promise<string> {
    const { holdings } = this
    const address = holdings.reclaim(owner) ?? (await this.#neighbours.askAny(owner))
    if (address !== null) return address
    throw new TsnetError(
      'unavailable',
      'no-free-address',
      `no available addresses on this pool: ${formatCidr(holdings.subnet)} has all its blocks taken by hosts of the ` +
        `cluster, ${holdings.blocks.length} by this one, and none has an address left; remove containers, or make a network ` +
        'with a larger --subnet or --ip-range',
    )
  }

  /** Throws kind 'conflict' with its holder, 'invalid' for an address outside. */
  async leaseFixed(owner: string, address: string): Promise<string> {
    const { holdings } = this
    this.#checkInside(address)
    if (holdings.take(address, owner)) return address
    this.#refuseHeld(address)
    const block = blockAround(holdings.range, address)
    const holder = await this.#inTurn(() => this.#takeBlock(block))
    if (holder === '') {
      if (holdings.take(address, owner)) return address
      this.#refuseHeld(address)
    }
    await this.#neighbours.ask(owner, address, holder)
    return address
  }

  #checkInside(address: string): void {
    if (containsIp(this.holdings.subnet, address)) return
    throw new TsnetError(
      'invalid',
      'address-outside-subnet',
      `no configured subnet contains IP address ${address}`,
    )
  }

  #refuseHeld(address: string): void {
    const holder = this.holdings.leftTo(address) ?? this.#describe(this.holdings.holder(address))
    if (holder === '') return
    throw new TsnetError(
      'conflict',
      'address-in-use',
      `Address already in use: ${address} is held by ${holder}`,
    )
  }

  #describe(holder: string | undefined): string {
    const { describeOwner, cluster } = this.#options
    const { network } = this.holdings
    if (holder === undefined) return ''
    if (holder === network) return `${describeOwner(network)} as its gateway`
    if (/^(auxiliary|reserved):/.test(holder))
      return `${describeOwner(network)} as its ${holder.replace(':', ' address ')}`
    return `${describeOwner(holder)} on ${cluster.self.name}`
  }

  /** Takes another block, while there is room still. */
  growInTime(): void {
    const { cluster, log } = this.#options
    const isWanted = this.holdings.free < lowOf(this.holdings) && performance.now() >= this.#fullUntil
    if (this.#isGrowing || !isWanted || cluster.health().state !== 'connected') return
    this.#isGrowing = true
    this.#inTurn(() => this.#grow())
      .catch((error: unknown) => log.debug({ err: errorMessage(error) }, 'no further block of addresses'))
      .finally(() => {
        this.#isGrowing = false
      })
  }

  /** Takes a block of the range; false when all are taken. */
  async #grow(): Promise<boolean> {
    const { network, blocks, range } = this.holdings
    const { cluster } = this.#options
    let taken: ReadonlySet<string> | null = null
    for (const block of blocksFor(range, cluster.self.name)) {
      if (blocks.includes(block) || taken?.has(block)) continue
      if ((await this.#takeBlock(block)) === '') return true
      // With the first one that is taken all that are taken are learnt.
      taken ??= new Set((await cluster.list(blockKey(network, ''))).keys())
    }
    this.#fullUntil = performance.now() + fullTime
    return false
  }

  /** Returns '' for one that is this host's now, else who has it. */
  async #takeBlock(block: string): Promise<string> {
    const { cluster } = this.#options
    const { network } = this.holdings
    const { name } = cluster.self
    this.#requireEtcd()
    const holder = await cluster.hold(blockKey(network, block), name)
    if (holder !== name) return holder
    try {
      if (this.#isReleased) throw unknownPool({ subnet: formatCidr(this.holdings.subnet) })
      // Read after the block is this host's: who claims an address of it from now on asks this host.
      const left = await this.#neighbours.claimsIn(block)
      for (const address of this.holdings.addBlock(block, left)) cluster.release(addressKey(network, address))
      this.#neighbours.follow()
      this.#options.save()
    } catch (error) {
      cluster.release(blockKey(network, block))
      throw error
    }
    return ''
  }

  #requireEtcd(): void {
    const { state, error, since } = this.#options.cluster.health()
    if (state === 'connected') return
    throw new TsnetError(
      'unavailable',
      'cluster-away',
      `a further block of addresses of ${formatCidr(this.holdings.subnet)} needs etcd, which is away since ${since}: ${error}`,
    )
  }

  /** Safe to repeat. */
  release(owner: string, address: string): void {
    const { network } = this.holdings
    if (this.holdings.release(address, owner)) this.#options.cluster.release(addressKey(network, address))
    this.giveBack()
  }

  /** Empty blocks go, the last of them a while later, unless the others are nearly used up. */
  giveBack(): void {
    const { holdings } = this
    const empty = holdings.emptyBlocks()
    if (empty.length === 0 || this.#isGrowing) return
    this.#dropBlocks(empty.slice(1))
    this.#spare ??= setTimeout(() => {
      this.#spare = null
      const spare = holdings.emptyBlocks()
      const isWanted =
        spare.length < holdings.blocks.length && holdings.free - sizeOf(holdings) < lowOf(holdings)
      if (!isWanted) this.#dropBlocks(spare)
    }, spareTime).unref()
  }

  #dropBlocks(blocks: readonly string[]): void {
    const { holdings } = this
    for (const block of blocks) {
      holdings.dropBlock(block)
      this.#options.cluster.release(blockKey(holdings.network, block))
    }
    if (blocks.length > 0) this.#options.save()
    if (holdings.blocks.length === 0 && holdings.singles.size === 0) this.#neighbours.unfollow()
  }

  /** The network is gone. */
  releaseAll(): void {
    this.#isReleased = true
    const { network, singles, blocks } = this.holdings
    for (const address of singles.keys()) this.#options.cluster.release(addressKey(network, address))
    for (const block of blocks) this.#options.cluster.release(blockKey(network, block))
    this.stop()
  }

  /** Another host has taken a block: its addresses are that one's to give, and those in use are asked for. */
  async loseBlock(block: string, holder: string): Promise<void> {
    const { log, onLost, save } = this.#options
    log.warn({ block, holder }, 'a block of addresses was taken by another host while this one was away')
    const users = this.holdings.dropBlock(block)
    save()
    await Promise.all(
      users.map(async ({ owner, address }) => {
        try {
          await this.#neighbours.ask(owner, address, holder)
        } catch (error) {
          log.warn({ address, err: errorMessage(error) }, 'an address could not be had back')
          onLost(owner, address, holder)
        }
      }),
    )
  }

  /** Another host has taken a single address. */
  async loseAddress(address: string, holder: string): Promise<void> {
    const { cluster, onLost } = this.#options
    const { owner } = this.holdings.singles.get(address)!
    if (holder === cluster.self.name) return this.#replaceClaim(address, owner)
    this.holdings.dropSingle(address)
    onLost(owner, address, holder)
  }

  /** This host's own claim of before its restart says something else, as when the container was renamed since. */
  async #replaceClaim(address: string, owner: string): Promise<void> {
    const { cluster } = this.#options
    const key = addressKey(this.holdings.network, address)
    const standing = (await cluster.list(key)).get('')
    if (standing !== undefined) await cluster.put(key, undefined, standing)
    this.#claimAgain(address, owner)
  }

  #inTurn<T>(body: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(body)
    // A failure is its caller's affair.
    this.#turn = turn.catch(() => {})
    return turn
  }

  /** Holds what it holds, and hears no more. */
  stop(): void {
    this.#neighbours.unfollow()
    if (this.#spare !== null) clearTimeout(this.#spare)
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
