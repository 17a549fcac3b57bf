/** Blocks of a subnet that a cluster shares: this host takes another one before its last is used up, and gives back what is empty. */
import type { Cluster } from '../../cluster/cluster.ts'
import { addressKey, blockKey } from '../../cluster/keys.ts'
import { errorMessage, TsnetError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { formatCidr } from '../../values/cidr.ts'
import { familyBits } from '../../values/ip.ts'
import { unknownPool } from '../unknown-pool.ts'
import { blockPrefix, blocksFor } from './blocks.ts'
import type { HeldBlocks, Holdings } from './holdings.ts'
import type { Neighbours } from './neighbours.ts'

export interface BlockStockOptions {
  readonly cluster: Cluster
  readonly log: Logger
  readonly holdings: Holdings
  readonly neighbours: Neighbours
  /** Keeps what is held beyond the daemon's end. */
  readonly save: () => void
}

/** milliseconds for which a block of which nothing is leased is kept for what comes next */
const spareTime = 60_000
/** milliseconds for which all blocks count as taken once they were */
const fullTime = 10_000

export class BlockStock {
  readonly #options: BlockStockOptions
  readonly #holdings: Holdings
  readonly #neighbours: Neighbours
  /** Questions to etcd, one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #isGrowing = false
  #isReleased = false
  /** milliseconds of the monotonic clock until which no block is looked for before the last one is used up */
  #fullUntil = 0
  #spare: NodeJS.Timeout | null = null

  constructor(options: BlockStockOptions) {
    this.#options = options
    this.#holdings = options.holdings
    this.#neighbours = options.neighbours
  }

  /** After a start of the daemon: blocks of before. */
  holdAgain(held: HeldBlocks): void {
    const { cluster } = this.#options
    for (const [block, left] of Object.entries(held)) {
      cluster.holdLater(blockKey(this.#holdings.network, block), cluster.self.name)
      this.#holdings.addBlock(block, left)
      this.#neighbours.follow()
    }
  }

  /** Takes another block, while there is room still. */
  growInTime(): void {
    const { cluster, log } = this.#options
    const isWanted = this.#holdings.free < lowOf(this.#holdings) && performance.now() >= this.#fullUntil
    if (this.#isGrowing || !isWanted || cluster.health().state !== 'connected') return
    this.#isGrowing = true
    this.inTurn(() => this.grow())
      .catch((error: unknown) => log.debug({ err: errorMessage(error) }, 'no further block of addresses'))
      .finally(() => {
        this.#isGrowing = false
      })
  }

  /** Runs what takes blocks once all of that is done which was begun before. */
  inTurn<T>(body: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(body)
    // A failure is its caller's affair.
    this.#turn = turn.catch(() => {})
    return turn
  }

  /** Takes a block of the range; false when all are taken. */
  async grow(): Promise<boolean> {
    const { network, blocks, range } = this.#holdings
    const { cluster } = this.#options
    let taken: ReadonlySet<string> | null = null
    for (const block of blocksFor(range, cluster.self.name)) {
      if (blocks.includes(block) || taken?.has(block)) continue
      if ((await this.take(block)) === '') return true
      // With the first one that is taken all that are taken are learnt.
      taken ??= new Set((await cluster.list(blockKey(network, ''))).keys())
    }
    this.#fullUntil = performance.now() + fullTime
    return false
  }

  /** Returns '' for one that is this host's now, else who has it. Throws kind 'unavailable' without etcd. */
  async take(block: string): Promise<string> {
    const { cluster } = this.#options
    const { network } = this.#holdings
    const { name } = cluster.self
    this.#requireEtcd()
    const holder = await cluster.hold(blockKey(network, block), name)
    if (holder !== name) return holder
    try {
      if (this.#isReleased) throw unknownPool({ subnet: formatCidr(this.#holdings.subnet) })
      // Read after the block is this host's: who claims an address of it from now on asks this host.
      const left = await this.#neighbours.claimsIn(block)
      for (const address of this.#holdings.addBlock(block, left))
        cluster.release(addressKey(network, address))
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
      `a further block of addresses of ${formatCidr(this.#holdings.subnet)} needs etcd, which is away since ${since}: ${error}`,
    )
  }

  /** Empty blocks go, the last of them a while later, unless the others are nearly used up. */
  giveBack(): void {
    const holdings = this.#holdings
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
    const holdings = this.#holdings
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
    const { network, blocks } = this.#holdings
    for (const block of blocks) this.#options.cluster.release(blockKey(network, block))
  }

  stop(): void {
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
