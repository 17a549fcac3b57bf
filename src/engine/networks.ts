import { TsnetError } from '../errors.ts'
import type { ContainerRecord, EndpointRecord, NetworkRecord, NetworkSpec } from '../store/records.ts'
import { timeNetworkAction } from '../timings.ts'
import { type NetworkId, newId } from '../values/id.ts'
import { checkNetworkName } from '../values/name.ts'
import { givenFamilies, poolUsage, releasePools, requestPools } from './addresses.ts'
import { shareNetwork, unshareNetwork } from './cluster-networks.ts'
import { connect, disconnect, forgetEndpoint } from './connections.ts'
import { optionsInForce } from './default-options.ts'
import { driverContext } from './driver-context.ts'
import type { Networks, NetworkWish } from './engine.ts'
import { foreignEndpoints } from './foreign-endpoints.ts'
import { refuseUsedConfiguration, withConfiguration } from './network-configuration.ts'
import type { Parts } from './parts.ts'
import { NetworkPruner } from './prune-networks.ts'
import { findContainer, findNetwork } from './references.ts'
import { overlapWarnings } from './route-watch.ts'
import { clusterOf, isShared, refuseOverlap } from './shared-networks.ts'
import { updateNetwork } from './update-network.ts'

export function createNetworks(parts: Parts): Networks {
  const find = (ref: string): NetworkRecord => findNetwork(parts.store.networks, ref)
  const pruner = new NetworkPruner(parts, (network) => removeNetwork(parts, network))
  return {
    create: async (wish) => {
      const network = await createNetwork(parts, wish)
      const chosen = wish.pools.some(({ subnet }) => subnet !== '')
      const warnings = chosen ? overlapWarnings(parts, network) : []
      return { network, warnings: [...unusedSubnets(wish, network), ...warnings] }
    },
    remove: (ref) => removeNetwork(parts, find(ref)),
    prune: (selected) => pruner.prune(selected),
    update: async (ref, change) =>
      parts.locks.run(`network ${find(ref).name}`, () => updateNetwork(parts, find(ref), change)),
    get: find,
    list: () => [...parts.store.networks.values()],
    connect: async (ref, container, request) => {
      await recordNamed(parts, ref)
      const { id, name } = findContainer(parts.store.containers, container)
      parts.moves.refuseLeaving({ id, name })
      await parts.locks.run(id, () =>
        timeNetworkAction('connect', () =>
          connect(parts, find(ref), findContainer(parts.store.containers, id), request),
        ),
      )
    },
    disconnect: async (ref, container, force) => {
      const { id, name } = findConnected(parts, container, force)
      parts.moves.refuseLeaving({ id, name })
      await parts.locks.run(id, async () => {
        const present = findContainer(parts.store.containers, id)
        const isOffline = force || present.state.status !== 'running'
        if (isOffline && forgetEndpoint(parts, ref, present)) return
        await disconnect(parts, find(ref), present)
      })
    },
    options: (ref) => optionsInForce(parts, find(ref)),
    endpoints: (ref) => runningEndpoints(parts, find(ref)),
    usage: (ref) => poolUsage(parts, find(ref)),
  }
}

/** As with Docker a subnet of a family that the network does not have is no error. */
function unusedSubnets({ pools }: Pick<NetworkSpec, 'pools'>, { name, ipv4, ipv6 }: NetworkRecord): string[] {
  return pools
    .filter(({ subnet }) => subnet !== '' && !(subnet.includes(':') ? ipv6 : ipv4))
    .map(({ subnet }) => {
      const family = subnet.includes(':') ? 'IPv6' : 'IPv4'
      return `subnet ${subnet} is not used: network ${name} has no ${family}, which --${family.toLowerCase()} gives it`
    })
}

/** With `force` it is the endpoint that is missing, not the container. */
function findConnected(parts: Parts, ref: string, force: boolean): ContainerRecord {
  try {
    return findContainer(parts.store.containers, ref)
  } catch (error) {
    if (!force || !(error instanceof TsnetError && error.kind === 'not-found')) throw error
    throw new TsnetError('not-found', 'no-such-endpoint', `endpoint ${ref} not found`)
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

function refuseTakenName(parts: Parts, name: string): void {
  if (!parts.store.networks.values().some((network) => network.name === name)) return
  throw new TsnetError('conflict', 'network-exists', `network with name ${name} already exists`)
}

/** What networks that are always there are called, or meant by. */
const predefinedNames: readonly string[] = ['bridge', 'host', 'none', 'default']

/** Throws kind 'conflict' for a taken name, and whatever driver or address manager refuse; nothing is left then. */
export async function createNetwork(parts: Parts, given: NetworkWish): Promise<NetworkRecord> {
  if (predefinedNames.includes(given.name)) {
    throw new TsnetError(
      'forbidden',
      'network-predefined',
      `operation is not permitted on predefined ${given.name} network`,
    )
  }
  checkNetworkName(given.name)
  const create = async (): Promise<NetworkRecord> => {
    refuseTakenName(parts, given.name)
    const spec = withConfiguration(parts, given)
    if (isShared(spec)) clusterOf(parts)
    const own = {
      id: newId<NetworkId>(),
      createdAt: new Date().toISOString(),
      predefined: false,
      givenFamilies: ownAddresses(parts, spec) ? ([4, 6] as const) : givenFamilies(spec),
    }
    const network = spec.configOnly
      ? recordConfiguration(parts, { ...spec, ...own, configuration: spec, pools: [], options: {} })
      : isShared(spec)
        ? await makeShared(parts, { ...spec, ...own, configuration: null })
        : await makeNetwork(parts, { ...spec, ...own, configuration: null })
    // Of what the cluster shares each host tells when it hears of it.
    if (isShared(network)) return network
    parts.events.emit('network', 'create', network.id, { name: network.name, type: network.driver })
    return network
  }
  // Its settings must be there until they are taken.
  const names = [given.name, given.configFrom].filter((name) => name !== '')
  return parts.locks.runAll(
    names.map((name) => `network ${name}`),
    create,
  )
}

/** Whether it is the driver that knows which addresses may be asked for. */
function ownAddresses(parts: Parts, { driver, configOnly }: NetworkSpec): boolean {
  return !configOnly && parts.networkDriver(driver).capabilities.addresses === 'driver'
}

function recordConfiguration(parts: Parts, network: NetworkRecord): NetworkRecord {
  parts.store.networks.put(network.id, network)
  return network
}

function refuseWithoutFamily({ name, ipv4, ipv6 }: NetworkRecord): void {
  if (ipv4 || ipv6) return
  throw new TsnetError(
    'invalid',
    'bad-network-config',
    `network ${name}: IPv4 or IPv6 must be enabled: without both its containers would have no addresses`,
  )
}

/** Records a network that a driver knows by its name, when it is used for the first time. */
export async function recordNamed(parts: Parts, name: string): Promise<void> {
  if (name === '' || hasNetwork(parts, name)) return
  for (const driver of parts.networkDrivers()) {
    const options = driver.optionsFor?.(name)
    if (options === undefined) continue
    try {
      await createNetwork(parts, { ...namedNetwork, name, driver: driver.name, options })
    } catch (error) {
      // Somebody else has used it at the same time.
      if (!(error instanceof TsnetError && error.code === 'network-exists')) throw error
    }
    return
  }
}

function hasNetwork(parts: Parts, ref: string): boolean {
  try {
    findNetwork(parts.store.networks, ref)
    return true
  } catch (error) {
    if (error instanceof TsnetError && error.kind === 'not-found') return false
    throw error
  }
}

const namedNetwork = {
  internal: false,
  attachable: false,
  ipv4: true,
  ipv6: false,
  ipamDriver: 'default',
  ipamOptions: {},
  pools: [],
  labels: {},
  dnsServers: [],
  configOnly: false,
  configFrom: '',
} satisfies Partial<NetworkSpec>

async function makeShared(parts: Parts, wanted: NetworkRecord): Promise<NetworkRecord> {
  refuseWithoutFamily(wanted)
  if (wanted.ipamDriver === 'default') return shareNetwork(parts, wanted)
  throw new TsnetError(
    'invalid',
    'bad-network-config',
    `network ${wanted.name}: the ipam driver ${wanted.ipamDriver} is this host's alone, and an overlay network is every host's: leave it out`,
  )
}

/** From a record that says what is wanted to a network, and its record with what it got. */
export async function makeNetwork(parts: Parts, wanted: NetworkRecord): Promise<NetworkRecord> {
  const { store } = parts
  const { id } = wanted
  const driver = parts.networkDriver(wanted.driver)
  driver.parseOptions(wanted)
  if (driver.capabilities.addresses === 'ipam' && wanted.ipamDriver !== 'null') refuseWithoutFamily(wanted)
  const entry = store.journal.begin('network-create', id, wanted)
  await using undo = new AsyncDisposableStack()
  undo.defer(() => store.journal.clear(entry))
  const pools = driver.capabilities.addresses === 'ipam' ? await requestPools(parts, undo, id, wanted) : []
  const network: NetworkRecord = { ...wanted, pools }
  refuseOverlap(parts, network)
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
  return network
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
    if (isShared(network)) return unshareNetwork(parts, network)
    refuseUsedConfiguration(parts, network)
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
    ...foreignersOn(parts, network),
  ]
  if (users.length === 0) return
  const names = users.map(({ name, id }) => `name:"${name}" id:"${id.slice(0, 12)}"`).join(', ')
  throw new TsnetError(
    'forbidden',
    'network-in-use',
    `error while removing network: network ${network.name} has active endpoints (${names})`,
  )
}

/** Those of other runtimes. */
function foreignersOn(parts: Parts, { id }: NetworkRecord): { name: string; id: string }[] {
  return foreignEndpoints(parts.store)
    .filter(({ network }) => network === id)
    .map(({ container }) => ({ name: container, id: container }))
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
