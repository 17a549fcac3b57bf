/** What a container has on networks of the cluster that is its alone: addresses, and its name on each. */
import type { MovableAddresses } from '../../ipam/cluster/index.ts'
import type { ContainerRecord, EndpointRecord } from '../../store/records.ts'
import { bareAddress, poolFor } from '../addresses.ts'
import { nameKeyOf } from '../cluster-names.ts'
import { networkOf } from '../endpoints.ts'
import type { Parts } from '../parts.ts'
import { clusterOf, sharedEndpoints } from '../shared-networks.ts'

export interface SharedAddress {
  readonly endpoint: EndpointRecord
  readonly family: 4 | 6
  readonly address: string
  /** The user has asked for it. */
  readonly isFixed: boolean
  readonly subnet: MovableAddresses
}

export function sharedAddresses(parts: Parts, endpoints: readonly EndpointRecord[]): SharedAddress[] {
  return sharedEndpoints(parts, endpoints).flatMap((endpoint) =>
    ([4, 6] as const).flatMap((family) => {
      const fixed = endpoint.request[`address${family}`]
      const address = bareAddress(endpoint[`address${family}`]) || (fixed ?? '')
      const pool = address === '' ? undefined : poolFor(networkOf(parts, endpoint), family, address)
      if (pool === undefined) return []
      const subnet = clusterOf(parts).leases.subnetOf(pool)
      return [{ endpoint, family, address, isFixed: fixed !== null, subnet }]
    }),
  )
}

/** The keys of its names, each once. */
export function sharedNames(parts: Parts, { endpoints }: ContainerRecord): string[] {
  return sharedEndpoints(parts, endpoints).map(nameKeyOf)
}
