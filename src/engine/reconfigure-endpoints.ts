import { adoptSandbox } from '../sandbox/sandbox.ts'
import type { ContainerRecord } from '../store/records.ts'
import { driverContext } from './driver-context.ts'
import { isRestricted } from './egress-policy.ts'
import { chooseDefaultRoutes, networkOf, specOf } from './endpoints.ts'
import type { Parts } from './parts.ts'

/** Makes the endpoints of a running container what its record says of rates and hardware addresses. */
export async function reconfigureEndpoints(parts: Parts, container: ContainerRecord): Promise<void> {
  using sandbox = adoptSandbox({ execRoot: parts.execRoot, id: container.id })
  const defaults = chooseDefaultRoutes(parts, container.endpoints)
  const onlyOwnMac = isRestricted(container)
  const { ports } = container.spec
  for (const endpoint of container.endpoints) {
    const network = networkOf(parts, endpoint)
    const plan = { interfaceName: endpoint.interfaceName, defaults, onlyOwnMac, ports }
    const spec = specOf(network, endpoint, plan)
    await parts.networkDriver(network.driver).reconfigure?.(driverContext(parts), spec, sandbox)
  }
}
