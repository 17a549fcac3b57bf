/** What an address manager is. The built-in one is local.ts. */
import type { Labels, PoolRecord } from '../store/records.ts'

export interface PoolRequest {
  readonly family: 4 | 6
  /** CIDR, or '' to be given one from the default address pools */
  readonly subnet: string
  /** CIDR inside the subnet from which addresses are given out, '' for all of it */
  readonly range: string
  /** '' to be given the first address of the range or subnet */
  readonly gateway: string
  /** Reserved addresses by name. */
  readonly auxiliary: Labels
  readonly options: Labels
}

/** Addresses are leased to an owner (an endpoint's or a network's id) until released. */
export interface Ipam {
  readonly name: string
  /** Takes a subnet for a network and leases its gateway to it. `owner` is the network's id. */
  requestPool(owner: string, request: PoolRequest): Promise<PoolRecord>
  /** Forgets a pool and all its leases; safe to repeat. */
  releasePool(pool: PoolRecord): Promise<void>
  /**
   * Leases `address` (an error of kind 'conflict' names its holder), or a free one, `preferred` if that is free.
   * Returns the address with the subnet's prefix length: '10.1.0.2/24'.
   */
  lease(pool: PoolRecord, owner: string, wish: { address?: string; preferred?: string }): Promise<string>
  /** Safe to repeat; another owner's lease stays. */
  release(pool: PoolRecord, owner: string, address: string): Promise<void>
  /** After a restart: takes up a pool with the leases that the records name. */
  adopt(owner: string, pool: PoolRecord, leases: readonly { owner: string; address: string }[]): Promise<void>
}
