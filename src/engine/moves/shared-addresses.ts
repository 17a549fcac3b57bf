/** What a container has on networks of the cluster that is its alone: addresses, and its name on each. */
import type { MovingAddresses } from '../../ipam/cluster/moving.ts'
import type { ContainerRecord, EndpointRecord } from '../../store/records.ts'
import { bareAddress, poolFor } from '../addresses.ts'
import { claimNamesAgain, nameKeyOf } from '../cluster-names.ts'
import { networkOf } from '../endpoints.ts'
import type { Parts } from '../parts.ts'
import { clusterOf, sharedEndpoints } from '../shared-networks.ts'

export interface SharedAddress {
  readonly endpoint: EndpointRecord
  readonly family: 4 | 6
  readonly address: string
  /** The user has asked for it. */
  readonly isFixed: boolean
  readonly subnet: MovingAddresses
}

export function sharedAddresses(parts: Parts, endpoints: readonly EndpointRecord[]): SharedAddress[] {
  return sharedEndpoints(parts, endpoints).flatMap((endpoint) =>
    ([4, 6] as const).flatMap((family) => {
      const fixed = endpoint.request[`address${family}`]
      const address = bareAddress(endpoint[`address${family}`]) || (fixed ?? '')
      const pool = address === '' ? undefined : poolFor(networkOf(parts, endpoint), family, address)
      if (pool === undefined) return []
      const subnet = clusterOf(parts).leases.movingOf(pool)
      return [{ endpoint, family, address, isFixed: fixed !== null, subnet }]
    }),
  )
}

/** The keys of its names, each once. */
export function sharedNames(parts: Parts, { endpoints }: ContainerRecord): string[] {
  return sharedEndpoints(parts, endpoints).map(nameKeyOf)
}

/** From now on another host may have all of it: it is not claimed again when the lease is lost. */
export function forgoShared(parts: Parts, container: ContainerRecord): void {
  parts.moves.undecided.add(container.id)
  const { state, names } = clusterOf(parts)
  for (const key of sharedNames(parts, container)) {
    names.delete(key)
    state.forgo(key)
  }
  for (const { address, subnet } of sharedAddresses(parts, container.endpoints)) subnet.forgo(address)
}

/** No other host has it, nor will have it. */
export function regainShared(parts: Parts, container: ContainerRecord): void {
  if (!parts.moves.undecided.delete(container.id)) return
  claimNamesAgain(parts, container)
  for (const { endpoint, address, subnet } of sharedAddresses(parts, container.endpoints))
    subnet.regain(endpoint.id, address)
}
