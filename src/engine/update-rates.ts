/** How fast a container may send and receive on its networks, changed at once when it runs. */
import { parseRates, rateOptions } from '../drivers/endpoint-rates.ts'
import { TsnetError } from '../errors.ts'
import type { ContainerRecord, EndpointRecord, Labels } from '../store/records.ts'
import { networkOf } from './endpoints.ts'
import type { Parts } from './parts.ts'
import { reconfigureEndpoints } from './reconfigure-endpoints.ts'

/** Each as `50mbit,burst=64k`; '' takes a limit away, null leaves it as it is. */
export interface RateChange {
  readonly out: string | null
  readonly in: string | null
}

/**
 * Limits every endpoint that can be limited, all or none. Throws kind 'invalid' for a rate that is none, 'unsupported' when
 * no endpoint can be. Call under the container's lock.
 */
export async function updateRates(
  parts: Parts,
  container: ContainerRecord,
  change: RateChange,
): Promise<void> {
  const canBeLimited = (endpoint: EndpointRecord): boolean =>
    parts.networkDriver(networkOf(parts, endpoint).driver).reconfigure !== undefined
  if (!container.endpoints.some(canBeLimited)) {
    throw new TsnetError(
      'unsupported',
      'no-rate',
      `container ${container.name} is on no bridge network: rates are limited at the ports of a bridge`,
    )
  }
  const endpoints = container.endpoints.map((endpoint) =>
    canBeLimited(endpoint) ? withRates(endpoint, change) : endpoint,
  )
  const changed = { ...container, endpoints }
  await using undo = new AsyncDisposableStack()
  if (container.state.status === 'running') {
    undo.defer(() => reconfigureEndpoints(parts, container))
    await reconfigureEndpoints(parts, changed)
  }
  parts.store.containers.put(container.id, changed)
  undo.move()
  parts.events.emit('container', 'update', container.id, {
    name: container.name,
    image: container.spec.image,
  })
}

function withRates(endpoint: EndpointRecord, change: RateChange): EndpointRecord {
  const options: Labels = {
    ...endpoint.request.options,
    ...(change.out !== null && { [rateOptions.out]: change.out }),
    ...(change.in !== null && { [rateOptions.in]: change.in }),
  }
  parseRates(options)
  return { ...endpoint, request: { ...endpoint.request, options } }
}
