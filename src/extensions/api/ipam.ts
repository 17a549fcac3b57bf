/** Address managers: which subnets networks have, and which addresses containers. */
import type { Static, TSchema } from 'typebox'
import type { Awaitable, DriverContext, ReadonlyLabels } from './context.ts'

export interface PoolRequest<O> {
  /** The network's id. */
  readonly network: string
  readonly family: 4 | 6
  /** CIDR, '' for one of the driver's choice */
  readonly subnet: string
  /** CIDR inside the subnet to give out addresses from, '' for all of it */
  readonly range: string
  /** '' for one of the driver's choice, null for none */
  readonly gateway: string | null
  /** Addresses to keep for others, by name; '' for one of the driver's choice. */
  readonly auxiliary: ReadonlyLabels
  readonly options: O
}

export interface Pool {
  /** CIDR without host bits */
  readonly subnet: string
  readonly range: string
  /** '' for none */
  readonly gateway: string
  readonly auxiliary: ReadonlyLabels
}

export interface Lease {
  /** An endpoint's id. */
  readonly owner: string
  /** Without prefix length. */
  readonly address: string
}

export interface LeaseWish {
  readonly owner: string
  /** This one and no other, '' for any. Nobody that tsnet knows of has it. */
  readonly address: string
  /** The one that the owner had before, '' for none: to be given if it is free. */
  readonly preferred: string
}

/** Every verb is safe to repeat. tsnet itself keeps count of who has what, and refuses what a driver gives out twice. */
export interface IpamPart<S extends TSchema = TSchema> {
  /** The options of `docker network create --ipam-opt`, an object. Without it there are none. */
  readonly options?: S
  /** Takes a subnet for a network, with its gateway and auxiliary addresses. */
  requestPool(
    request: PoolRequest<Static<S>>,
    context: DriverContext,
  ): Awaitable<Pick<Pool, 'subnet'> & Partial<Pool>>
  /** Forgets a pool with all its leases. */
  releasePool(pool: Pool, context: DriverContext): Awaitable<void>
  /** Returns an address of the pool, with or without prefix length; null when none is left. */
  lease(pool: Pool, wish: LeaseWish, context: DriverContext): Awaitable<string | null>
  /** Only of what `lease` gave to this owner. */
  release(pool: Pool, lease: Lease, context: DriverContext): Awaitable<void>
  /** Before a pool's first use after a start of the daemon or a reload: what its records say is leased. For drivers that keep that in memory. */
  adopt?(pool: Pool, leases: readonly Lease[], context: DriverContext): Awaitable<void>
}
