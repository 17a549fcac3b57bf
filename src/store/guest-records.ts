/** What another engine has made through tsnet as its plugin, and what tsnet has lent it. */
import type { EndpointId, NetworkId } from '../values/id.ts'
import type { NetworkRecord, PoolRecord, PublishedPort } from './records.ts'

export interface GuestNetwork {
  readonly network: NetworkRecord
  /** Whether the other engine has been told that it stands; it has never heard of one that was cut short. */
  readonly isMade: boolean
}

export interface GuestEndpoint {
  readonly id: EndpointId
  readonly network: NetworkId
  readonly mac: string
  /** With prefix length, '' for none. */
  readonly address4: string
  readonly address6: string
  /** As of a network. */
  readonly isMade: boolean
  readonly published: readonly PublishedPort[]
}

/** A pool of addresses that the other engine gives to networks of any driver. */
export interface GuestPool {
  readonly id: string
  readonly pool: PoolRecord
  /** The network of the cluster whose pool it is; null for one of this host's. */
  readonly shared: NetworkId | null
}

export interface GuestLease {
  /** the pool's id */
  readonly pool: string
  /** With prefix length. */
  readonly address: string
  /** By which the address manager knows it. */
  readonly owner: string
}

/** A volume that is mounted for somebody who is no container of tsnet's. */
export interface VolumeLoan {
  /** the volume's name */
  readonly volume: string
  /** The other engine's id of whoever it is. */
  readonly user: string
}
