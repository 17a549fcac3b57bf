/** Tells the other hosts of this one's endpoints. */
import type { ContainerRecord, EndpointRecord } from '../store/records.ts'
import type { NetworkId } from '../values/id.ts'
import type { Parts } from './parts.ts'
import { sharedEndpoints } from './shared-networks.ts'

/** Again when its names have changed. Nothing for networks of this host's own. */
export function announceEndpoint(
  parts: Parts,
  container: Pick<ContainerRecord, 'id' | 'name'>,
  endpoint: EndpointRecord,
): void {
  if (sharedEndpoints(parts, [endpoint]).length === 0) return
  const { id, network, dnsNames, address4, address6, mac } = endpoint
  const state = parts.cluster?.state
  state?.announce({
    id,
    network,
    node: state.self.name,
    container: container.id,
    containerName: container.name,
    names: dnsNames,
    address4,
    address6,
    mac,
  })
}

/** The neighbours of an endpoint, on this host and others, do not find it any more. Safe to repeat. */
export function forgetNames(
  parts: Parts,
  endpoint: Pick<EndpointRecord, 'id'> & { network: NetworkId },
): void {
  parts.names.removeEndpoint(endpoint.network, endpoint.id)
  // The network's record may be gone.
  parts.cluster?.state.withdraw(endpoint)
}
