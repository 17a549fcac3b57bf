/** The hosts of the cluster, as the API shows them. */
import type { HostUsage } from '../cluster/cluster.ts'
import { errorMessage, TsnetError } from '../errors.ts'
import type { NetworkRecord } from '../store/records.ts'
import type { HostInfo, Hosts, NetworkPeer } from './engine.ts'
import type { Parts } from './parts.ts'
import { findNetwork } from './references.ts'
import { type ClusterParts, isConnected, isShared } from './shared-networks.ts'
import { verifyNetwork } from './verify-network.ts'

export function createHosts(parts: Parts): Hosts {
  return {
    list: () => listHosts(parts),
    status() {
      if (parts.cluster === null) return null
      const { state } = parts.cluster
      const { name, address, mtu } = state.self
      const hosts = Math.max(1, state.nodes.values.size)
      return { name, address, mtu, ...state.health(), hosts, warnings: state.warnings() }
    },
    peers: async (ref) => listPeers(parts, findNetwork(parts.store.networks, ref)),
    verify: async (ref) => verifyNetwork(parts, findNetwork(parts.store.networks, ref)),
  }
}

async function listHosts(parts: Parts): Promise<HostInfo[]> {
  const { cluster } = parts
  if (cluster === null) {
    throw new TsnetError(
      'unavailable',
      'no-cluster',
      'this daemon is in no cluster: start it with --cluster etcd://HOST:2379',
    )
  }
  const { state } = cluster
  const endpoints = isConnected(cluster) ? await countEndpoints(parts, cluster) : null
  const others = [...state.nodes.values.values()].filter(({ name }) => name !== state.self.name)
  const theirs = isConnected(cluster) ? 'ready' : 'unknown'
  return [state.self, ...others].map(({ name, address, mtu, version, joinedAt }) => {
    const own = name === state.self.name
    const health = state.health().state
    return {
      name,
      address,
      mtu,
      version,
      joinedAt,
      isThis: own,
      state: own ? (health === 'connected' ? 'ready' : health) : theirs,
      usage: endpoints?.get(name) ?? (endpoints === null ? null : { networks: 0, endpoints: 0 }),
    }
  })
}

/** By host; null when etcd does not say. */
async function countEndpoints(
  parts: Parts,
  { state }: ClusterParts,
): Promise<ReadonlyMap<string, HostUsage> | null> {
  try {
    return await state.usage()
  } catch (error) {
    parts.log.debug({ err: errorMessage(error) }, 'endpoints of the cluster could not be counted')
    return null
  }
}

/** Null for a network of this host alone. While etcd is away what was heard last counts. */
async function listPeers(parts: Parts, network: NetworkRecord): Promise<NetworkPeer[] | null> {
  if (parts.cluster === null || !isShared(network)) return null
  const { state } = parts.cluster
  using mirror = state.endpoints(network.id)
  if (isConnected(parts.cluster)) await mirror.ready()
  const byHost = Map.groupBy(mirror.values.values(), ({ node }) => node)
  return [...byHost]
    .map(([name, endpoints]) => ({
      name,
      address: name === state.self.name ? state.self.address : (state.nodes.values.get(name)?.address ?? ''),
      endpoints,
    }))
    .sort((one, other) => (one.name < other.name ? -1 : 1))
}
