/** One subnet of a network that a cluster shares, on this host: leases addresses of its blocks, and single ones that other hosts leave it. */
import type { Cluster } from '../../cluster/cluster.ts'
import { addressKey } from '../../cluster/keys.ts'
import { errorMessage, TsnetError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { containsIp, formatCidr } from '../../values/cidr.ts'
import type { RecordedLease } from '../ipam.ts'
import { BlockStock } from './block-stock.ts'
import { blockAround } from './blocks.ts'
import { formatClaim } from './claims.ts'
import type { Holdings } from './holdings.ts'
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

export class SharedSubnet {
  readonly holdings: Holdings
  readonly blocks: BlockStock
  /** Addresses of endpoints that go to another host or come from one. */
  readonly moving: MovingAddresses
  readonly #options: SubnetOptions
  readonly #neighbours: Neighbours

  constructor(holdings: Holdings, options: SubnetOptions) {
    this.holdings = holdings
    this.#options = options
    this.#neighbours = new Neighbours({ ...options, holdings })
    this.blocks = new BlockStock({ ...options, holdings, neighbours: this.#neighbours })
    this.moving = new MovingAddresses({
      ...options,
      holdings,
      claim: (address, owner) => this.#claimAgain(address, owner),
    })
  }

  /** After a start of the daemon, once it has its blocks again: a lease of before. */
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
      this.blocks.inTurn(async () => {
        // Who was before may have taken a block.
        for (;;) {
          const address = present()
          if (address !== null) return address
          if (!(await this.blocks.grow())) return this.#leaseLast(owner)
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
    const holder = await this.blocks.inTurn(() => this.blocks.take(block))
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

  /** Safe to repeat. */
  release(owner: string, address: string): void {
    const { network } = this.holdings
    if (this.holdings.release(address, owner)) this.#options.cluster.release(addressKey(network, address))
    this.blocks.giveBack()
  }

  /** The network is gone. */
  releaseAll(): void {
    const { network, singles } = this.holdings
    for (const address of singles.keys()) this.#options.cluster.release(addressKey(network, address))
    this.blocks.releaseAll()
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

  /** Holds what it holds, and hears no more. */
  stop(): void {
    this.#neighbours.unfollow()
    this.blocks.stop()
  }
}
