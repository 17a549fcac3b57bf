import type { EndpointSpec } from '../drivers/driver.ts'
import { adoptSandbox } from '../sandbox/sandbox.ts'
import type { ContainerRecord, EndpointRecord } from '../store/records.ts'
import { driverContext } from './driver-context.ts'
import { isRestricted } from './egress-policy.ts'
import { chooseDefaultRoutes, networkOf, specOf } from './endpoints.ts'
import type { Parts } from './parts.ts'

/** Makes the endpoints of a running container what its record says of rates and hardware addresses. */
export async function reconfigureEndpoints(parts: Parts, container: ContainerRecord): Promise<void> {
  using sandbox = adoptSandbox({ execRoot: parts.execRoot, id: container.id })
  for (const endpoint of container.endpoints) {
    const spec = standingSpec(parts, container, endpoint)
    await parts.networkDriver(spec.network.driver).reconfigure?.(driverContext(parts), spec, sandbox)
  }
}

/** What an endpoint of a running container is to be by its record. */
export function standingSpec(
  parts: Parts,
  container: ContainerRecord,
  endpoint: EndpointRecord,
): EndpointSpec {
  return specOf(networkOf(parts, endpoint), endpoint, {
    interfaceName: endpoint.interfaceName,
    defaults: chooseDefaultRoutes(parts, container.endpoints),
    onlyOwnMac: isRestricted(container),
    ports: container.spec.ports,
  })
}
