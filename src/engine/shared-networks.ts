/** Which networks a cluster shares, and the errors of a daemon without one. */
import type { Cluster } from '../cluster/cluster.ts'
import type { TunnelKeys } from '../drivers/overlay/keys.ts'
import { TsnetError } from '../errors.ts'
import type { ClusterIpam } from '../ipam/cluster/index.ts'
import type { EndpointRecord, NetworkRecord, NetworkSpec } from '../store/records.ts'
import { overlaps, parseCidr } from '../values/cidr.ts'
import type { EndpointId, NetworkId } from '../values/id.ts'
import type { LeaseHandover } from './lease-handover.ts'
import type { Parts } from './parts.ts'
import type { Verifier } from './verifier.ts'

/** What a daemon has that belongs to a cluster. */
export interface ClusterParts {
  readonly state: Cluster
  readonly leases: ClusterIpam
  /** This host's keys for encrypted networks, null when it cannot encrypt. */
  readonly keys: TunnelKeys | null
  readonly handover: LeaseHandover
  /** Networks that have endpoints on this host, and therefore links and rules. */
  readonly active: Map<NetworkId, ActiveNetwork>
  /** Keys of containers' names that are this host's, as far as it knows. */
  readonly names: Set<string>
}

export interface ActiveNetwork {
  readonly users: Set<EndpointId>
  /** Ends the following of other hosts' endpoints. */
  readonly follower: Disposable
  readonly verifier: Verifier
}

/** Whether all hosts of the cluster have the network. */
export function isShared({ driver }: Pick<NetworkSpec, 'driver'>): boolean {
  return driver === 'overlay'
}

/** Throws kind 'unavailable' without a cluster. */
export function clusterOf(parts: Pick<Parts, 'cluster'>): ClusterParts {
  if (parts.cluster !== null) return parts.cluster
  throw new TsnetError(
    'unavailable',
    'no-cluster',
    'overlay networks need a cluster, and this daemon is in none: start it with --cluster etcd://HOST:2379',
  )
}

/** Throws kind 'forbidden' when a network of the cluster and one of this host's own lie over each other: one would hide the other. */
export function refuseOverlap(parts: Pick<Parts, 'store'>, network: NetworkRecord): void {
  const own = network.pools.map(({ subnet }) => parseCidr(subnet))
  for (const other of parts.store.networks.values()) {
    if (isShared(other) === isShared(network)) continue
    const pool = other.pools.find(({ subnet }) => own.some((block) => overlaps(block, parseCidr(subnet))))
    if (pool === undefined) continue
    throw new TsnetError(
      'forbidden',
      'pool-overlap',
      `Pool overlaps with other one on this address space: network ${network.name} overlaps ${pool.subnet} of network ${other.name}, ` +
        `which is ${isShared(other) ? "the cluster's" : "this host's own"}`,
    )
  }
}

/** Whether etcd can be asked. */
export function isConnected({ state }: ClusterParts): boolean {
  return state.health().state === 'connected'
}

/** For what cannot wait: throws kind 'unavailable', code 'cluster-away', at once while etcd does not answer. */
export function reachableCluster(parts: Pick<Parts, 'cluster'>, what: string): ClusterParts {
  const cluster = clusterOf(parts)
  if (isConnected(cluster)) return cluster
  const { error, since } = cluster.state.health()
  throw new TsnetError(
    'unavailable',
    'cluster-away',
    `${what} needs etcd, which is away since ${since}: ${error}`,
  )
}

/** The endpoints of a container that other hosts hear of. */
export function sharedEndpoints(parts: Parts, endpoints: readonly EndpointRecord[]): EndpointRecord[] {
  if (parts.cluster === null) return []
  return endpoints.filter((endpoint) => {
    const network = parts.store.networks.get(endpoint.network)
    return network !== undefined && isShared(network)
  })
}
