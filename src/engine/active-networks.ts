/**
 * A network of the cluster has links and rules on a host only while it has endpoints there: they are made for the first and go with
 * the last. What a daemon leaves behind that ends in between is swept at the next start.
 */
import { setImmediate } from 'node:timers/promises'
import type { Change, ClusterEndpoint } from '../cluster/cluster.ts'
import type { NetworkRecord } from '../store/records.ts'
import type { EndpointId } from '../values/id.ts'
import { bareAddress } from './addresses.ts'
import { driverContext } from './driver-context.ts'
import type { Parts } from './parts.ts'
import { clusterOf, isShared, refuseOverlap } from './shared-networks.ts'
import { Verifier } from './verifier.ts'

/** Whether the network's links and rules are to be there: those of a host's own always. */
export function isActive(parts: Parts, network: NetworkRecord): boolean {
  return !isShared(network) || parts.cluster?.active.has(network.id) === true
}

/** Before an endpoint is attached. What was done goes to `undo`. */
export async function enterNetwork(
  parts: Parts,
  undo: AsyncDisposableStack,
  network: NetworkRecord,
  endpoint: EndpointId,
): Promise<void> {
  if (!isShared(network)) return
  undo.defer(() => leaveNetwork(parts, network, endpoint))
  await parts.locks.run(`active ${network.id}`, async () => {
    const present = clusterOf(parts).active.get(network.id)
    if (present === undefined) await activate(parts, network, [endpoint], true)
    else present.users.add(endpoint)
  })
}

/** After an endpoint was detached. Safe to repeat. */
export async function leaveNetwork(
  parts: Parts,
  network: NetworkRecord,
  endpoint: EndpointId,
): Promise<void> {
  if (parts.cluster === null || !isShared(network)) return
  const { active } = parts.cluster
  await parts.locks.run(`active ${network.id}`, async () => {
    const present = active.get(network.id)
    if (present === undefined || !present.users.delete(endpoint) || present.users.size > 0) return
    active.delete(network.id)
    present.follower[Symbol.dispose]()
    present.verifier[Symbol.dispose]()
    await dismantle(parts, network)
  })
}

/** After a start of the daemon: for the endpoints that run still. The rules are applied with all others. */
export async function adoptNetwork(
  parts: Parts,
  network: NetworkRecord,
  endpoints: readonly EndpointId[],
): Promise<void> {
  // without a cluster these are of containers that have ended
  if (parts.cluster !== null && endpoints.length > 0) await activate(parts, network, endpoints, false)
}

async function activate(
  parts: Parts,
  network: NetworkRecord,
  endpoints: readonly EndpointId[],
  withRules: boolean,
): Promise<void> {
  if (withRules) refuseOverlap(parts, network)
  const { active } = clusterOf(parts)
  const driver = parts.networkDriver(network.driver)
  await using undo = new AsyncDisposableStack()
  undo.defer(() => dismantle(parts, network))
  // Others' endpoints are asked for while the kernel makes the links.
  const follower = undo.use(followNames(parts, network))
  await setImmediate()
  const rules = await driver.createNetwork(driverContext(parts), network)
  parts.networkRules.set(network.id, rules)
  if (withRules) await parts.firewall.apply({ add: rules, remove: [] })
  active.set(network.id, { users: new Set(endpoints), follower, verifier: new Verifier(parts, network) })
  undo.move()
}

async function dismantle(parts: Parts, network: NetworkRecord): Promise<void> {
  const rules = parts.networkRules.get(network.id) ?? []
  parts.networkRules.delete(network.id)
  await Promise.all([
    parts.firewall.apply({ add: [], remove: rules }),
    parts.networkDriver(network.driver).removeNetwork(driverContext(parts), network),
  ])
}

/** Names of other hosts' endpoints are answered like those of this one's. */
function followNames(parts: Parts, network: NetworkRecord): Disposable {
  const { state } = clusterOf(parts)
  const mirror = state.endpoints(network.id)
  const isOthers = ({ node }: ClusterEndpoint): boolean => node !== state.self.name
  const learn = (endpoint: ClusterEndpoint): void => {
    const addresses = [endpoint.address4, endpoint.address6].filter((one) => one !== '').map(bareAddress)
    parts.names.setEndpoint(network.id, network.name, endpoint.id, { names: endpoint.names, addresses })
  }
  const forget = ({ id }: ClusterEndpoint): void => parts.names.removeEndpoint(network.id, id)
  const consider = ({ before, value }: Pick<Change<ClusterEndpoint>, 'before' | 'value'>): void => {
    if (value !== undefined && isOthers(value)) learn(value)
    else if (value === undefined && before !== undefined && isOthers(before)) forget(before)
  }
  const subscription = mirror.subscribe((changes) => changes.forEach(consider))
  mirror.values.values().filter(isOthers).forEach(learn)
  return {
    [Symbol.dispose]() {
      subscription[Symbol.dispose]()
      mirror.values.values().filter(isOthers).forEach(forget)
      mirror[Symbol.dispose]()
    },
  }
}

/** The networks whose links and rules are to be there, of a driver. */
export function activeNetworks(parts: Parts, driver: string): NetworkRecord[] {
  return [...parts.store.networks.values()].filter(
    (network) => network.driver === driver && isActive(parts, network),
  )
}
