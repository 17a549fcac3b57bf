/** Endpoints on the daemon's own networks that are of no container of its: of other runtimes' sandboxes, and of another engine's containers. */
import type { RecordedLease } from '../ipam/ipam.ts'
import type { NetworkRecord } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import type { EndpointId, NetworkId } from '../values/id.ts'
import { isShared } from './shared-networks.ts'

export interface ForeignEndpoint {
  readonly id: EndpointId
  readonly network: NetworkId
  /** With prefix length, '' for none. */
  readonly address4: string
  readonly address6: string
  /** What the other one calls its container, or at least the endpoint. */
  readonly container: string
}

/** Looks after endpoints of others' containers. */
export interface ForeignOwner {
  /** Takes an endpoint off its network, if it is of those. Safe to repeat. */
  evict(endpoint: EndpointId): Promise<void>
}

export function foreignEndpoints(store: Store): ForeignEndpoint[] {
  const pods = [...store.pods.values()].filter(({ isEngines }) => isEngines)
  const guests = [...store.guestEndpoints.values()].flatMap(({ id, network, address4, address6 }) => {
    const shared = sharedFor(store, store.guestNetworks.get(network)?.network)
    return shared === undefined ? [] : [{ id, network: shared.id, address4, address6, container: id }]
  })
  return [
    ...pods.map(({ endpoint, containerId }) => ({ ...endpoint, container: containerId })),
    ...guests,
  ].filter(({ network }) => store.networks.has(network))
}

/** The one whose address is under this name with the address manager: its own id, or that of a lease from before it was there. */
export function foreignEndpointOf(store: Store, owner: string): ForeignEndpoint | undefined {
  const lease = store.guestLeases.values().find((one) => one.owner === owner)
  const network = lease && store.guestPools.get(lease.pool)?.shared
  return foreignEndpoints(store).find(
    (endpoint) =>
      endpoint.id === owner ||
      (lease !== undefined &&
        endpoint.network === network &&
        [endpoint.address4, endpoint.address6].includes(lease.address)),
  )
}

/** The network of the cluster that another engine's stands for: no two in a cluster have a subnet in common. */
export function sharedFor(store: Store, network: NetworkRecord | undefined): NetworkRecord | undefined {
  if (network === undefined || !isShared(network)) return undefined
  const subnets = new Set(network.pools.map(({ subnet }) => subnet))
  return store.networks
    .values()
    .find((one) => isShared(one) && one.pools.some(({ subnet }) => subnets.has(subnet)))
}

/** What they have of a network's addresses. */
export function foreignLeases(store: Store, network: NetworkId): RecordedLease[] {
  const pods = [...store.pods.values()].filter(
    ({ isEngines, endpoint }) => isEngines && endpoint.network === network,
  )
  return [
    ...pods.flatMap(({ endpoint: { id: owner, address4, address6 } }) =>
      [address4, address6].filter(Boolean).map((address) => ({ owner, address })),
    ),
    // Given out before there is an endpoint.
    ...[...store.guestLeases.values()].filter(({ pool }) => store.guestPools.get(pool)?.shared === network),
  ].map(({ owner, address }) => ({ owner, address: address.split('/', 1)[0] ?? '', used: true }))
}
