/** Which networks a cluster shares, and the errors of a daemon without one. */
import type { Cluster } from '../cluster/cluster.ts'
import { TsnetError } from '../errors.ts'
import type { ClusterIpam } from '../ipam/cluster/index.ts'
import type { EndpointRecord, NetworkSpec } from '../store/records.ts'
import type { EndpointId, NetworkId } from '../values/id.ts'
import type { Parts } from './parts.ts'

/** What a daemon has that belongs to a cluster. */
export interface ClusterParts {
  readonly state: Cluster
  readonly leases: ClusterIpam
  /** Networks that have endpoints on this host, and therefore links and rules. */
  readonly active: Map<NetworkId, ActiveNetwork>
  /** Keys of containers' names that are this host's, as far as it knows. */
  readonly names: Set<string>
}

export interface ActiveNetwork {
  readonly users: Set<EndpointId>
  /** Ends the following of other hosts' endpoints. */
  readonly follower: Disposable
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

/** Whether etcd can be asked. */
export function isConnected({ state }: ClusterParts): boolean {
  return state.health().state === 'connected'
}

/** The endpoints of a container that other hosts hear of. */
export function sharedEndpoints(parts: Parts, endpoints: readonly EndpointRecord[]): EndpointRecord[] {
  if (parts.cluster === null) return []
  return endpoints.filter((endpoint) => {
    const network = parts.store.networks.get(endpoint.network)
    return network !== undefined && isShared(network)
  })
}
