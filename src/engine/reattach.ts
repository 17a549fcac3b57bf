/** An endpoint of a running container whose interface somebody has removed gets it again, as it was. */
import type { StandingEndpoint } from '../drivers/driver.ts'
import { findLink } from '../netlink/link.ts'
import { removeLink } from '../netlink/link-removal.ts'
import { openRouteSocket } from '../netlink/socket.ts'
import { findSandbox, type Sandbox } from '../sandbox/sandbox.ts'
import type { ContainerRecord, EndpointRecord, NetworkRecord } from '../store/records.ts'
import type { JournalEntry } from '../store/store.ts'
import type { EndpointId } from '../values/id.ts'
import { driverContext } from './driver-context.ts'
import { attachedOf, networkOf } from './endpoints.ts'
import { resumeLease } from './link-leases.ts'
import type { Parts } from './parts.ts'
import { standingSpec } from './reconfigure-endpoints.ts'
import { standingEndpoints, tellRepair } from './repair-network.ts'

/** Those of a network's endpoints that have lost their interfaces. Those of pods are their runtimes' affair, which ask for them by CHECK. */
export async function lostEndpoints(
  parts: Parts,
  { driver }: NetworkRecord,
  endpoints: readonly StandingEndpoint[],
): Promise<EndpointId[]> {
  const lost = (await parts.networkDriver(driver).findLost?.(driverContext(parts), endpoints)) ?? []
  return lost.filter((id) => findHolder(parts, id) !== undefined)
}

/** The running container that an endpoint is of. */
export function findHolder(parts: Parts, id: EndpointId): ContainerRecord | undefined {
  const isIts = (endpoint: EndpointRecord): boolean => endpoint.id === id
  return parts.store.containers
    .values()
    .find(({ state, endpoints }) => state.status === 'running' && endpoints.some(isIts))
}

/**
 * Attaches an endpoint again if it is lost still, and tells that. Returns whether it was lost. Throws what the driver throws; then it has
 * no interface, and nothing else of it is changed.
 */
export async function reattachLost(parts: Parts, id: EndpointId): Promise<boolean> {
  const subject = findHolder(parts, id)?.id
  if (subject === undefined) return false
  return await parts.locks.run(subject, async () => {
    // It may have ended or have left the network while others had the lock, and another attempt may have been made.
    const [standing] = [...standingEndpoints(parts, (endpoint) => endpoint.id === id).values()].flat()
    const container = findHolder(parts, id)
    if (standing === undefined || container === undefined) return false
    const lost = await lostEndpoints(parts, standing.network, [standing])
    if (lost.length === 0) return false
    using sandbox = standing.sandbox()
    if (sandbox === null) return false
    const endpoint = container.endpoints.find((one) => one.id === id)!
    await reattach(parts, container, endpoint, sandbox)
    const fault = `interface ${endpoint.interfaceName} of container ${container.name} was gone`
    tellRepair(parts, standing.network, [fault], { container: container.id })
    return true
  })
}

/** Addresses, names, rules and ports are as they were: all of them are the endpoint's, not its interface's. */
async function reattach(
  parts: Parts,
  container: ContainerRecord,
  endpoint: EndpointRecord,
  sandbox: Sandbox,
): Promise<void> {
  const network = networkOf(parts, endpoint)
  const driver = parts.networkDriver(network.driver)
  const entry = parts.store.journal.begin('reattach', container.id, { endpoint: endpoint.id })
  try {
    await removeRemains(parts, endpoint, sandbox)
    await driver.attach(driverContext(parts), standingSpec(parts, container, endpoint), sandbox)
    resumeLease(parts, container, endpoint, sandbox)
  } finally {
    parts.store.journal.clear(entry)
  }
}

/** What one end of a pair leaves whose other end is in somebody else's hands carries the endpoint's name and hardware address. */
async function removeRemains(parts: Parts, endpoint: EndpointRecord, sandbox: Sandbox): Promise<void> {
  const network = networkOf(parts, endpoint)
  await parts
    .networkDriver(network.driver)
    .detach(driverContext(parts), attachedOf(network, endpoint), sandbox)
  using socket = openRouteSocket(sandbox.netns)
  const left = findLink(socket, endpoint.interfaceName)
  if (left !== null && left.address === endpoint.mac) await removeLink(left.index, sandbox.netns)
}

/** The daemon died while it attached an endpoint again: without an interface it is found, and attached by this one. */
export async function undoReattach(parts: Parts, { subject, data }: JournalEntry): Promise<void> {
  const { endpoint: id } = data as { endpoint: EndpointId }
  const endpoint = parts.store.containers.get(subject)?.endpoints.find((one) => one.id === id)
  using sandbox = findSandbox({ execRoot: parts.execRoot, id: subject })
  if (endpoint !== undefined && sandbox !== null) await removeRemains(parts, endpoint, sandbox)
}
