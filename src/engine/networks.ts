import { TsnetError } from '../errors.ts'
import { adoptSandbox } from '../sandbox/sandbox.ts'
import type {
  ContainerRecord,
  EndpointRecord,
  EndpointRequest,
  NetworkRecord,
  NetworkSpec,
  PoolRecord,
} from '../store/records.ts'
import { type NetworkId, newId } from '../values/id.ts'
import { checkNetworkName } from '../values/name.ts'
import {
  attachEndpoint,
  chooseDefaultRoutes,
  detachEndpoint,
  driverContext,
  nameEndpoint,
  networkOf,
  reserveFixed,
  resolverOptions,
} from './endpoints.ts'
import type { Networks } from './engine.ts'
import type { Parts } from './parts.ts'
import { checkRequest, planEndpoint } from './plan.ts'
import { findContainer, findNetwork } from './references.ts'
import { containerRules } from './start.ts'

export function createNetworks(parts: Parts): Networks {
  const find = (ref: string): NetworkRecord => findNetwork(parts.store.networks, ref)
  return {
    create: async (spec) => ({ network: await createNetwork(parts, spec, false), warnings: [] }),
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

/** Throws kind 'conflict' for a taken name, and whatever driver or address manager refuse; nothing is left then. */
export async function createNetwork(
  parts: Parts,
  spec: NetworkSpec,
  predefined: boolean,
): Promise<NetworkRecord> {
  checkNetworkName(spec.name)
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

async function requestPools(
  parts: Parts,
  undo: AsyncDisposableStack,
  id: NetworkId,
  spec: NetworkSpec,
): Promise<PoolRecord[]> {
  const ipam = parts.ipam(spec.ipamDriver)
  const pools: PoolRecord[] = []
  for (const wanted of wantedPools(spec)) {
    const pool = await ipam.requestPool(id, {
      family: wanted.family,
      subnet: wanted.pool.subnet,
      range: wanted.pool.range,
      gateway: wanted.pool.gateway,
      auxiliary: wanted.pool.auxiliary,
      options: spec.ipamOptions,
    })
    undo.defer(() => ipam.releasePool(pool))
    pools.push(pool)
  }
  return pools
}

const anyPool: PoolRecord = { subnet: '', range: '', gateway: '', auxiliary: {} }

/** What the user gave, and one pool of the managers' choice for each family that was asked for but not given. */
function wantedPools(spec: NetworkSpec): { family: 4 | 6; pool: PoolRecord }[] {
  const given = spec.pools.map((pool) => ({
    family: pool.subnet.includes(':') ? (6 as const) : (4 as const),
    pool,
  }))
  const enabled = [...(spec.ipv4 ? [4 as const] : []), ...(spec.ipv6 ? [6 as const] : [])]
  const missing = enabled.filter((family) => !given.some((pool) => pool.family === family))
  return [
    ...given.filter(({ family }) => enabled.includes(family)),
    ...missing.map((family) => ({ family, pool: anyPool })),
  ]
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
    const active = runningEndpoints(parts, network)
    if (active.length > 0) {
      const users = active
        .map(({ container }) => `name:"${container.name}" id:"${container.id.slice(0, 12)}"`)
        .join(', ')
      throw new TsnetError(
        'forbidden',
        'network-in-use',
        `error while removing network: network ${network.name} has active endpoints (${users})`,
      )
    }
    const entry = parts.store.journal.begin('network-remove', network.id, network)
    await dismantleNetwork(parts, network)
    parts.store.transaction(() => {
      parts.store.networks.delete(network.id)
      parts.store.journal.clear(entry)
    })
    parts.events.emit('network', 'destroy', network.id, { name: network.name, type: network.driver })
  })
}

/** The part of a removal that can be repeated after a crash. */
export async function dismantleNetwork(parts: Parts, network: NetworkRecord): Promise<void> {
  await parts.firewall.apply({ add: [], remove: parts.networkRules.get(network.id) ?? [] })
  parts.networkRules.delete(network.id)
  await parts.networkDriver(network.driver).removeNetwork(driverContext(parts), network)
  const ipam = parts.ipam(network.ipamDriver)
  for (const pool of network.pools) await ipam.releasePool(pool)
}

async function connect(
  parts: Parts,
  network: NetworkRecord,
  container: ContainerRecord,
  request: EndpointRequest,
): Promise<void> {
  refuseConnect(parts, network, container)
  checkRequest(network, request)
  const planned = planEndpoint(container.id, container.name, container.spec.hostname, network, request)
  const entry = parts.store.journal.begin('connect', container.id, { endpoint: planned })
  await using undo = new AsyncDisposableStack()
  undo.defer(() => parts.store.journal.clear(entry))
  const running = container.state.status === 'running'
  if (!running) await reserveFixed(parts, undo, [planned])
  const endpoint = running ? await connectRunning(parts, undo, container, planned) : planned
  const changed = { ...container, endpoints: [...container.endpoints, endpoint] }
  if (running) parts.names.update(container.id, resolverOptions(parts, changed))
  parts.store.transaction(() => {
    parts.store.containers.put(container.id, changed)
    parts.store.journal.clear(entry)
  })
  undo.move()
  parts.events.emit('network', 'connect', network.id, {
    container: container.id,
    name: network.name,
    type: network.driver,
  })
}

function refuseConnect(parts: Parts, network: NetworkRecord, container: ContainerRecord): void {
  const drivers = [network, ...container.endpoints.map((endpoint) => networkOf(parts, endpoint))].map(
    ({ driver }) => driver,
  )
  if (drivers.includes('host')) {
    throw new TsnetError(
      'forbidden',
      'host-network',
      'container cannot be disconnected from host network or connected to host network',
    )
  }
  if (drivers.includes('null')) {
    throw new TsnetError(
      'forbidden',
      'none-network',
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    )
  }
  if (container.endpoints.some((endpoint) => endpoint.network === network.id)) {
    throw new TsnetError(
      'forbidden',
      'endpoint-exists',
      `endpoint with name ${container.name} already exists in network ${network.name}`,
    )
  }
}

async function connectRunning(
  parts: Parts,
  undo: AsyncDisposableStack,
  container: ContainerRecord,
  planned: EndpointRecord,
): Promise<EndpointRecord> {
  using sandbox = adoptSandbox({ execRoot: parts.execRoot, id: container.id })
  // The routes out stay with the first network that has one.
  const defaults = chooseDefaultRoutes(parts, [...container.endpoints, planned])
  const endpoint = await attachEndpoint(parts, undo, sandbox, planned, freeInterface(container), defaults)
  undo.defer(() => parts.names.removeEndpoint(endpoint.network, endpoint.id))
  nameEndpoint(parts, endpoint)
  return endpoint
}

function freeInterface(container: ContainerRecord): string {
  const used = new Set(container.endpoints.map((endpoint) => endpoint.interfaceName))
  for (let index = 0; ; index++) if (!used.has(`eth${index}`)) return `eth${index}`
}

async function disconnect(
  parts: Parts,
  network: NetworkRecord,
  container: ContainerRecord,
  force: boolean,
): Promise<void> {
  const endpoint = container.endpoints.find((candidate) => candidate.network === network.id)
  if (endpoint === undefined) {
    if (force) return
    throw new TsnetError(
      'forbidden',
      'not-connected',
      `container ${container.id} is not connected to network ${network.name}`,
    )
  }
  if (network.driver === 'host') {
    throw new TsnetError(
      'forbidden',
      'host-network',
      'container cannot be disconnected from host network or connected to host network',
    )
  }
  const entry = parts.store.journal.begin('disconnect', container.id, { endpoint })
  const changed = {
    ...container,
    endpoints: container.endpoints.filter((candidate) => candidate !== endpoint),
  }
  // Published ports follow to whatever endpoint now leads out.
  await parts.firewall.apply({
    add: containerRules(parts, changed),
    remove: containerRules(parts, container),
  })
  await detachEndpoint(parts, endpoint, false)
  if (container.state.status === 'running') parts.names.update(container.id, resolverOptions(parts, changed))
  parts.store.transaction(() => {
    parts.store.containers.put(container.id, changed)
    parts.store.journal.clear(entry)
  })
  parts.events.emit('network', 'disconnect', network.id, {
    container: container.id,
    name: network.name,
    type: network.driver,
  })
}
