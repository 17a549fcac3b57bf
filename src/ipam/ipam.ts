/** What an address manager is: it leases from pools (local.ts), asks the network itself (dhcp/), or gives no addresses. */

import type { Labels, PoolRecord } from '../store/records.ts'
import type { Fd } from '../sys/fd.ts'

export interface PoolRequest {
  readonly family: 4 | 6
  /** CIDR, or '' to be given one from the default address pools */
  readonly subnet: string
  /** CIDR inside the subnet from which addresses are given out, '' for all of it */
  readonly range: string
  /** '' to be given the first address of the range or subnet, null to have none */
  readonly gateway: string | null
  /** Reserved addresses by name; '' to be given one. */
  readonly auxiliary: Labels
  readonly options: Labels
}

export interface LeaseWish {
  readonly address?: string
  readonly preferred?: string
  /** Of the interface that it is for, where that is known. */
  readonly mac?: string
}

/** An address that the records say somebody has. */
export interface RecordedLease {
  /** Whether its owner may be another host's by now; only of networks that a cluster shares. */
  readonly undecided?: boolean
  readonly owner: string
  readonly address: string
  /** Whether its owner uses it now. */
  readonly used: boolean
}

export interface PoolUsage {
  /** Addresses that are in use or reserved. */
  readonly inUse: number
  /** Addresses that can be given out to who names none. */
  readonly available: number
}

/**
 * Addresses are leased to an owner (an endpoint's or a network's id) until released. An owner that does not use its address
 * for a while keeps it: it goes to another only when that one asks for it by name, or when no other address is left.
 */
export interface PoolLeases {
  /** Forgets a pool and all its leases; safe to repeat. */
  releasePool(pool: PoolRecord): Promise<void>
  /**
   * Leases `address` (an error of kind 'conflict' names its holder), or a free one, `preferred` if that is free.
   * Returns the address with the subnet's prefix length: '10.1.0.2/24'.
   */
  lease(pool: PoolRecord, owner: string, wish: LeaseWish): Promise<string>
  /** The owner does not use its address for now. Safe to repeat; another owner's lease stays as it is. */
  keep(pool: PoolRecord, owner: string, address: string): Promise<void>
  /** Safe to repeat; another owner's lease stays. */
  release(pool: PoolRecord, owner: string, address: string): Promise<void>
  /**
   * After a restart: takes up a pool with the leases that the records name. Of two owners of an address that is not in use
   * the later in the list has it.
   */
  adopt(owner: string, pool: PoolRecord, leases: readonly RecordedLease[]): Promise<void>
  usage(pool: PoolRecord): PoolUsage
}

export interface PoolIpam extends PoolLeases {
  readonly name: string
  readonly from: 'pools'
  /** Whether a lease has to name the hardware address; never without this question. */
  needsMac?(): Promise<boolean>
  /** Takes a subnet for a network and leases its gateway to it. `owner` is the network's id. */
  requestPool(owner: string, request: PoolRequest): Promise<PoolRecord>
}

/** An endpoint's interface that is up and has no address yet. */
export interface LeasedLink {
  /** The endpoint's id. */
  readonly owner: string
  readonly network: string
  readonly netns: Fd
  readonly interfaceName: string
  /** What it tells the server as its name, '' for nothing. */
  readonly hostname: string
  /** The address that it had before, with or without prefix length; '' for none. */
  readonly before: string
}

export interface LinkLease {
  /** With prefix length, '' when the lease has run out and the link must have none. */
  readonly address4: string
  /** '' when the server names none. */
  readonly gateway4: string
  readonly nameServers: readonly string[]
}

/** Addresses come over the endpoint's own interface, from a server on its network. */
export interface LinkIpam {
  readonly name: string
  readonly from: 'link'
  /** Throws kind 'unavailable' when no server answers in time. The lease is renewed from then on. */
  acquire(link: LeasedLink): Promise<LinkLease>
  /** After a restart: takes up the lease of an interface that has its address still, and asks the server about it at once. */
  resume(link: LeasedLink): void
  /** What a link has now, undefined when it has no lease. */
  find(owner: string): LinkLease | undefined
  /** Calls `listener` whenever what a link has changes after that. */
  subscribe(listener: (owner: string, lease: LinkLease) => void): void
  /** Gives the lease back, while the interface is there still. Safe to repeat. */
  release(owner: string): void
  /** Forgets timers and sockets; leases stay with their servers. */
  stop(): void
}

/** Interfaces get no addresses at all. */
export interface NoIpam {
  readonly name: string
  readonly from: 'nowhere'
}

export type Ipam = PoolIpam | LinkIpam | NoIpam
