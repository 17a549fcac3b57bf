/**
 * The address manager of networks that a cluster shares. A host takes blocks of a subnet for itself, and leases from them as the
 * local one does: without a question to anybody, also while etcd is away. Another host's addresses it can have one by one.
 */
import type { LostHolding } from '../../cluster/cluster.ts'
import { addressKey, blockKey } from '../../cluster/keys.ts'
import type { PoolRecord } from '../../store/records.ts'
import { parseCidr } from '../../values/cidr.ts'
import { canonicalIp } from '../../values/ip.ts'
import type { PoolLeases, PoolUsage, RecordedLease } from '../ipam.ts'
import { unknownPool } from '../unknown-pool.ts'
import { type HeldBlocks, Holdings, keyOf, type Reserved } from './holdings.ts'
import type { MovingAddresses } from './moving.ts'
import { SharedSubnet, type SubnetOptions } from './subnet.ts'

export interface ClusterIpamOptions extends Omit<SubnetOptions, 'save'> {
  /** What is held of a subnet, kept beyond the daemon's end. */
  readonly kept: {
    read(network: string, subnet: string): HeldBlocks
    write(network: string, subnet: string, held: HeldBlocks | null): void
  }
}

export interface ClusterIpam extends PoolLeases, Disposable {
  /** Blocks and addresses that others have taken while this host was away: their endpoints get others' leave, or are told to `onLost`. */
  handleLost(lost: readonly LostHolding[]): Promise<void>
  /** The addresses of a pool, for endpoints that move from host to host. */
  movingOf(pool: PoolRecord): MovingAddresses
}

export function createClusterIpam(options: ClusterIpamOptions): ClusterIpam {
  return new SharedIpam(options)
}

class SharedIpam implements ClusterIpam {
  readonly #options: ClusterIpamOptions
  readonly #subnets = new Map<string, SharedSubnet>()

  constructor(options: ClusterIpamOptions) {
    this.#options = options
  }

  async adopt(network: string, pool: PoolRecord, recorded: readonly RecordedLease[]): Promise<void> {
    const subnet = this.#subnets.get(keyOf(pool.subnet)) ?? this.#add(network, pool)
    for (const lease of recorded) subnet.adopt({ ...lease, address: bareAddress(lease.address) })
    subnet.blocks.giveBack()
  }

  #add(network: string, pool: PoolRecord): SharedSubnet {
    const { kept } = this.#options
    const range = parseCidr(pool.range || pool.subnet)
    const holdings = new Holdings(network, parseCidr(pool.subnet), range, reservedOf(network, pool))
    const save = (): void => kept.write(network, pool.subnet, holdings.held)
    const added = new SharedSubnet(holdings, { ...this.#options, save })
    this.#subnets.set(keyOf(pool.subnet), added)
    added.blocks.holdAgain(kept.read(network, pool.subnet))
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
        ? await subnet.leaseAny(owner, wish.preferred ? bareAddress(wish.preferred) : '')
        : await subnet.leaseFixed(owner, bareAddress(wish.address))
    subnet.blocks.growInTime()
    return `${address}/${subnet.holdings.subnet.prefix}`
  }

  async keep(pool: PoolRecord, owner: string, address: string): Promise<void> {
    this.#subnets.get(keyOf(pool.subnet))?.holdings.keep(bareAddress(address), owner)
  }

  async release(pool: PoolRecord, owner: string, address: string): Promise<void> {
    this.#subnets.get(keyOf(pool.subnet))?.release(owner, bareAddress(address))
  }

  async releasePool(pool: PoolRecord): Promise<void> {
    const subnet = this.#subnets.get(keyOf(pool.subnet))
    if (subnet === undefined) return
    this.#subnets.delete(keyOf(pool.subnet))
    subnet.releaseAll()
    this.#options.kept.write(subnet.holdings.network, pool.subnet, null)
  }

  usage(pool: PoolRecord): PoolUsage {
    return this.#find(pool).holdings.usage
  }

  movingOf(pool: PoolRecord): MovingAddresses {
    return this.#find(pool).moving
  }

  async handleLost(lost: readonly LostHolding[]): Promise<void> {
    for (const { key, holder } of lost) {
      for (const subnet of this.#subnets.values()) {
        const { network, blocks, singles } = subnet.holdings
        const block = blocks.find((one) => blockKey(network, one) === key)
        if (block !== undefined) await subnet.loseBlock(block, holder)
        const address = [...singles.keys()].find((one) => addressKey(network, one) === key)
        if (address !== undefined) await subnet.loseAddress(address, holder)
      }
    }
  }

  #find(pool: PoolRecord): SharedSubnet {
    const subnet = this.#subnets.get(keyOf(pool.subnet))
    if (subnet !== undefined) return subnet
    throw unknownPool(pool)
  }

  [Symbol.dispose](): void {
    for (const subnet of this.#subnets.values()) subnet.stop()
  }
}

function reservedOf(network: string, { gateway, auxiliary }: PoolRecord): Reserved[] {
  const named = Object.entries(auxiliary).map(([name, address]) => ({ address, owner: `auxiliary:${name}` }))
  return [...(gateway === '' ? [] : [{ address: gateway, owner: network }]), ...named]
}

function bareAddress(address: string): string {
  return canonicalIp(address.split('/', 1)[0] ?? '')
}
