/** The cluster as the API sees it: its hosts, and how they find each other on a network. */
import type { ClusterEndpoint, ClusterHealth } from '../../cluster/cluster.ts'
import type { NetworkRecord } from '../../store/records.ts'

/** A host of the cluster. */
export interface HostInfo {
  readonly name: string
  readonly isThis: boolean
  /** `away`: etcd does not answer this host; `unknown`: another host's while this one is away. */
  readonly state: 'ready' | 'away' | 'fenced' | 'unknown'
  readonly address: string
  /** bytes */
  readonly mtu: number
  readonly version: string
  /** ISO 8601 */
  readonly joinedAt: string
  /** How many endpoints it has, on how many networks of the cluster; null while that cannot be told. */
  readonly usage: { readonly networks: number; readonly endpoints: number } | null
}

/** This host's place in its cluster. */
export interface ClusterStatus extends ClusterHealth {
  readonly name: string
  readonly address: string
  /** bytes */
  readonly mtu: number
  readonly hosts: number
  /** What will go wrong unless somebody looks after it, in sentences. */
  readonly warnings: readonly string[]
}

/** A host with endpoints on a network. */
export interface NetworkPeer {
  readonly name: string
  readonly address: string
  readonly endpoints: readonly ClusterEndpoint[]
}

/** How one host finds a network. */
export interface VerifiedRow {
  readonly node: string
  /** bytes; how long packets on the network may be, as the host knows it */
  readonly mtu: number
  /** Entries for endpoints of other hosts that were put right since the host is on the network. */
  readonly repaired: number
  /** What was just put right, in words. */
  readonly faults: readonly string[]
  /** Why the host has not looked, '' when it has. */
  readonly error: string
  readonly paths: readonly VerifiedPath[]
}

/** The way from one host to another, by an endpoint of each. */
export interface VerifiedPath {
  readonly to: string
  /** The name of the container that was asked, and its address. */
  readonly container: string
  readonly address: string
  readonly sent: number
  readonly received: number
  /** milliseconds there and back, the median */
  readonly latency: number | null
  /** bytes of the longest packet that arrives uncut; one more than the network's where longer ones pass */
  readonly mtu: number | null
  /** Why nothing was sent, '' when it was. */
  readonly error: string
}

export interface NetworkVerification {
  readonly network: NetworkRecord
  readonly rows: readonly VerifiedRow[]
  /** Hosts that have not answered in time. */
  readonly silent: readonly string[]
  /** Why other hosts were not asked, '' when they were. */
  readonly warning: string
}

export interface Hosts {
  /** This one first. Throws kind 'unavailable' outside of a cluster. */
  list(): Promise<readonly HostInfo[]>
  /** Null outside of a cluster. */
  status(): ClusterStatus | null
  /** Null for a network of this host alone. */
  peers(network: string): Promise<readonly NetworkPeer[] | null>
  /** Has every host that is on a network of the cluster look how it finds the others there. Throws as `verifyNetwork`. */
  verify(network: string): Promise<NetworkVerification>
}
