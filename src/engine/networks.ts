import { TsnetError } from '../errors.ts'
import type { ContainerRecord, EndpointRecord, NetworkRecord, NetworkSpec } from '../store/records.ts'
import { type NetworkId, newId } from '../values/id.ts'
import { checkNetworkName } from '../values/name.ts'
import { poolUsage, releasePools, requestPools } from './addresses.ts'
import { connect, disconnect } from './connections.ts'
import { driverContext } from './endpoints.ts'
import type { Networks } from './engine.ts'
import type { Parts } from './parts.ts'
import { findContainer, findNetwork } from './references.ts'
import { overlapWarnings } from './route-watch.ts'

export function createNetworks(parts: Parts): Networks {
  const find = (ref: string): NetworkRecord => findNetwork(parts.store.networks, ref)
  return {
    create: async (spec) => {
      const network = await createNetwork(parts, spec, false)
      const chosen = spec.pools.some(({ subnet }) => subnet !== '')
      return { network, warnings: chosen ? overlapWarnings(parts, network) : [] }
    },
    remove: (ref) => removeNetwork(parts, find(ref)),
    get: find,
    list: () => [...parts.store.networks.values()],
    connect: async (ref, container, request) => {
      const { id } = findContainer(parts.store.containers, container)
      await parts.locks.run(id, () =>
        connect(parts, find(ref), findContainer(parts.store.containers, id), request),
      )
    },
    disconnect: async (ref, container, force) => {
      const { id } = findContainer(parts.store.containers, container)
      await parts.locks.run(id, () =>
        disconnect(parts, find(ref), findContainer(parts.store.containers, id), force),
      )
    },
    endpoints: (ref) => runningEndpoints(parts, find(ref)),
    usage: (ref) => poolUsage(parts, find(ref)),
  }
}

function runningEndpoints(
  parts: Parts,
  network: NetworkRecord,
): { container: ContainerRecord; endpoint: EndpointRecord }[] {
  return [...parts.store.containers.values()]
    .filter((container) => container.state.status === 'running')
    .flatMap((container) => container.endpoints.map((endpoint) => ({ container, endpoint })))
    .filter(({ endpoint }) => endpoint.network === network.id)
}

function nameTaken(parts: Parts, name: string): boolean {
  return parts.store.networks.values().some((network) => network.name === name)
}

/** `default` is another word for the network that containers get when nothing is said. */
function refusePredefined(name: string): void {
  if (!['bridge', 'host', 'none', 'default'].includes(name)) return
  throw new TsnetError(
    'forbidden',
    'network-predefined',
    `operation is not permitted on predefined ${name} network`,
  )
}

/**
 * Throws kind 'conflict' for a taken name, 'forbidden' for that of a network which is always there, and whatever driver or address
 * manager refuse; nothing is left then.
 */
export async function createNetwork(
  parts: Parts,
  spec: NetworkSpec,
  predefined: boolean,
): Promise<NetworkRecord> {
  checkNetworkName(spec.name)
  if (!predefined) refusePredefined(spec.name)
  const driver = parts.networkDriver(spec.driver)
  driver.parseOptions(spec)
  return parts.locks.run(`network ${spec.name}`, async () => {
    if (nameTaken(parts, spec.name)) {
      throw new TsnetError('conflict', 'network-exists', `network with name ${spec.name} already exists`)
    }
    const { store } = parts
    const id = newId<NetworkId>()
    const entry = store.journal.begin('network-create', id, spec)
    await using undo = new AsyncDisposableStack()
    undo.defer(() => store.journal.clear(entry))
    const pools = driver.capabilities.addresses === 'ipam' ? await requestPools(parts, undo, id, spec) : []
    const network: NetworkRecord = { ...spec, id, pools, createdAt: new Date().toISOString(), predefined }
    undo.defer(() => driver.removeNetwork(driverContext(parts), network))
    const rules = await driver.createNetwork(driverContext(parts), network)
    undo.defer(() => parts.firewall.apply({ add: [], remove: rules }))
    await parts.firewall.apply({ add: rules, remove: [] })
    store.transaction(() => {
      store.networks.put(id, network)
      store.journal.clear(entry)
    })
    parts.networkRules.set(id, rules)
    undo.move()
    parts.events.emit('network', 'create', id, { name: spec.name, type: spec.driver })
    return network
  })
}

async function removeNetwork(parts: Parts, network: NetworkRecord): Promise<void> {
  if (network.predefined) {
    throw new TsnetError(
      'forbidden',
      'network-predefined',
      `${network.name} is a pre-defined network and cannot be removed`,
    )
  }
  await parts.locks.run(`network ${network.name}`, async () => {
    const { store } = parts
    // Looked up again: another removal may have been before.
    findNetwork(store.networks, network.id)
    refuseInUse(parts, network)
    // The record goes first and at once: nobody can begin to use what is about to be removed.
    const entry = store.transaction(() => {
      store.networks.delete(network.id)
      return store.journal.begin('network-remove', network.id, network)
    })
    try {
      await dismantleNetwork(parts, network)
    } catch (error) {
      store.networks.put(network.id, network)
      throw error
    } finally {
      store.journal.clear(entry)
    }
    parts.events.emit('network', 'destroy', network.id, { name: network.name, type: network.driver })
  })
}

function refuseInUse(parts: Parts, network: NetworkRecord): void {
  const users = [
    ...runningEndpoints(parts, network).map(({ container }) => container),
    ...joiningContainers(parts, network),
  ]
  if (users.length === 0) return
  const names = users.map(({ name, id }) => `name:"${name}" id:"${id.slice(0, 12)}"`).join(', ')
  throw new TsnetError(
    'forbidden',
    'network-in-use',
    `error while removing network: network ${network.name} has active endpoints (${names})`,
  )
}

/** Containers that are being started on the network or connected to it, as the journal says. */
function joiningContainers(parts: Parts, network: NetworkRecord): ContainerRecord[] {
  return parts.store.journal.entries().flatMap(({ operation, subject, data }) => {
    const container = parts.store.containers.get(subject)
    if (container === undefined) return []
    const endpoints =
      operation === 'start'
        ? container.endpoints
        : operation === 'connect'
          ? [(data as { endpoint: EndpointRecord }).endpoint]
          : []
    return endpoints.some((endpoint) => endpoint.network === network.id) ? [container] : []
  })
}

/** The part of a removal that can be repeated after a crash. */
export async function dismantleNetwork(parts: Parts, network: NetworkRecord): Promise<void> {
  const rules = parts.networkRules.get(network.id) ?? []
  await Promise.all([
    parts.firewall.apply({ add: [], remove: rules }),
    parts.networkDriver(network.driver).removeNetwork(driverContext(parts), network),
  ])
  parts.networkRules.delete(network.id)
  await releasePools(parts, network)
}
