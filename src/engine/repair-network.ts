/** Makes good what somebody else has done to a network in the kernel. */
import type { StandingEndpoint } from '../drivers/driver.ts'
import { findSandbox } from '../sandbox/sandbox.ts'
import type { EndpointRecord, NetworkRecord } from '../store/records.ts'
import { driverContext } from './driver-context.ts'
import { isRestricted } from './egress-policy.ts'
import type { Parts } from './parts.ts'
import { standingPod } from './pods/networks.ts'

/** Endpoints of running containers and of pods, by their networks' ids. */
export function standingEndpoints(
  { store, execRoot }: Parts,
  isWanted: (endpoint: EndpointRecord) => boolean,
): Map<string, StandingEndpoint[]> {
  const found: StandingEndpoint[] = []
  for (const container of store.containers.values()) {
    if (container.state.status !== 'running') continue
    for (const endpoint of container.endpoints.filter(isWanted)) {
      const network = store.networks.get(endpoint.network)
      if (network === undefined) continue
      const sandbox = () => findSandbox({ execRoot, id: container.id })
      const { id, address4, address6, mac } = endpoint
      found.push({ id, network, address4, address6, mac, onlyOwnMac: isRestricted(container), sandbox })
    }
  }
  for (const pod of store.pods.values()) {
    const network = store.networks.get(pod.endpoint.network)
    if (network !== undefined && pod.result !== null && isWanted(pod.endpoint))
      found.push(standingPod(network, pod))
  }
  return Map.groupBy(found, ({ network }) => network.id)
}

/** Returns what was wrong, in words, and tells it by an event and in the log. Throws what the driver throws. */
export async function repairNetwork(
  parts: Parts,
  network: NetworkRecord,
  endpoints: readonly StandingEndpoint[],
): Promise<readonly string[]> {
  return await parts.locks.run(`network ${network.name}`, async () => {
    // It may have been removed while others had the lock.
    if (!parts.store.networks.has(network.id)) return []
    const driver = parts.networkDriver(network.driver)
    const faults = (await driver.repair?.(driverContext(parts), network, endpoints)) ?? []
    if (faults.length === 0) return []
    tellRepair(parts, network, faults)
    return faults
  })
}

export function tellRepair(
  { log, events }: Parts,
  { id, name, driver: type }: NetworkRecord,
  faults: readonly string[],
  more: Readonly<Record<string, string>> = {},
): void {
  log.warn({ network: name, faults, ...more }, 'a network was made good')
  events.emit('network', 'repair', id, { name, type, faults: faults.join('; '), ...more })
}
