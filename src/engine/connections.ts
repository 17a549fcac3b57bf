/** Containers join networks and leave them, running or not: routes, ports, names and files follow. */
import { setImmediate } from 'node:timers/promises'
import { TsnetError } from '../errors.ts'
import { inverse } from '../firewall/rules.ts'
import { updateContainerFiles } from '../sandbox/container-files.ts'
import { setDefaultRoutes } from '../sandbox/interface.ts'
import { adoptSandbox } from '../sandbox/sandbox.ts'
import type { ContainerRecord, EndpointRecord, EndpointRequest, NetworkRecord } from '../store/records.ts'
import { randomMac } from '../values/mac.ts'
import { reserveFixed } from './addresses.ts'
import { claimNames } from './cluster-names.ts'
import { containerTexts } from './container-texts.ts'
import { leadsPorts, portsToldTo, reserveForJoining } from './driver-ports.ts'
import { egressRules, isRestricted, refuseEgress } from './egress-policy.ts'
import {
  attachEndpoint,
  chooseDefaultRoutes,
  detachEndpoint,
  nameEndpoint,
  networkOf,
  usesNames,
} from './endpoints.ts'
import { interfaceNameOf, refuseTakenNames } from './interface-names.ts'
import { joinsNetwork } from './joined-network.ts'
import { refuseConfiguration } from './network-configuration.ts'
import { tellMove } from './network-events.ts'
import type { Parts } from './parts.ts'
import { checkRequest, planEndpoint } from './plan.ts'
import { followPorts } from './published.ts'
import { resolverOptions } from './resolver-options.ts'
import { isShared } from './shared-networks.ts'

/** Throws kind 'forbidden' where Docker does, 'conflict' for a taken address; nothing is changed then. */
export async function connect(
  parts: Parts,
  network: NetworkRecord,
  container: ContainerRecord,
  request: EndpointRequest,
): Promise<void> {
  refuseConfiguration(network)
  refuseConnect(parts, network, container)
  checkRequest(network, request, parts.networkDriver(network.driver).checkEndpoint)
  const planned = {
    ...planEndpoint(container.id, container.name, container.spec.hostname, network, request),
    // its rules stand before the interface
    mac: isRestricted(container) ? (request.mac ?? randomMac()) : '',
  }
  refuseEgress(parts, { ...container, endpoints: [planned] })
  refuseTakenNames([...container.endpoints, planned], container.state.status === 'running')
  const entry = parts.store.journal.begin('connect', container.id, { endpoint: planned })
  await using undo = new AsyncDisposableStack()
  undo.defer(() => parts.store.journal.clear(entry))
  // Attached while etcd is asked whether somebody else is called so.
  const [claimed, connected] = await Promise.allSettled([
    claimNames(parts, undo, container.id, [planned]),
    onItsWay(network).then(() =>
      container.state.status === 'running'
        ? connectRunning(parts, undo, container, planned)
        : connectStopped(parts, undo, container, planned),
    ),
  ])
  if (claimed.status === 'rejected') throw claimed.reason
  if (connected.status === 'rejected') throw connected.reason
  const changed = connected.value
  parts.store.transaction(() => {
    parts.store.containers.put(container.id, changed)
    parts.store.journal.clear(entry)
  })
  undo.move()
  await parts.egress.follow(changed)
  // A stopped one tells when it starts.
  if (changed.state.status === 'running') tellMove(parts, 'connect', network, container)
}

/** Resolves when a question to etcd has left: what follows keeps the thread in the kernel for some milliseconds. */
async function onItsWay(network: NetworkRecord): Promise<void> {
  if (isShared(network)) await setImmediate()
}

function refuseConnect(parts: Parts, network: NetworkRecord, container: ContainerRecord): void {
  if (container.spec.networkMode === 'host' || joinsNetwork(container)) {
    throw new TsnetError(
      'forbidden',
      'shared-network',
      'container sharing network namespace with another container or host cannot be connected to any other network',
    )
  }
  const present = container.endpoints.map((endpoint) => parts.store.networks.get(endpoint.network))
  const drivers = [network, ...present].map((one) => one?.driver)
  if (drivers.includes('host')) {
    throw new TsnetError(
      'forbidden',
      'host-network',
      'container cannot be disconnected from host network or connected to host network',
    )
  }
  if (present.length > 0 && drivers.includes('null')) {
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

async function connectStopped(
  parts: Parts,
  undo: AsyncDisposableStack,
  container: ContainerRecord,
  planned: EndpointRecord,
): Promise<ContainerRecord> {
  await reserveFixed(parts, undo, [planned])
  return { ...container, endpoints: [...container.endpoints, planned] }
}

async function connectRunning(
  parts: Parts,
  undo: AsyncDisposableStack,
  container: ContainerRecord,
  planned: EndpointRecord,
): Promise<ContainerRecord> {
  await reserveFixed(parts, undo, [planned])
  using sandbox = adoptSandbox({ execRoot: parts.execRoot, id: container.id })
  const endpoints = [...container.endpoints, planned]
  const defaults = chooseDefaultRoutes(parts, endpoints)
  undo.defer(() => leadOut(parts, { ...container, endpoints }, container.endpoints))
  const interfaceName = interfaceNameOf(networkOf(parts, planned), planned, container.endpoints)
  const restriction = { add: egressRules(parts, { ...container, endpoints: [planned] }), remove: [] }
  undo.defer(() => parts.firewall.apply(inverse(restriction)))
  await parts.firewall.apply(restriction)
  const led = await reserveForJoining(parts, undo, container, planned)
  const endpoint = await attachEndpoint(parts, undo, sandbox, planned, {
    interfaceName,
    defaults,
    onlyOwnMac: isRestricted(container),
    ports: portsToldTo(parts, container, planned, led),
  })
  const changed = { ...container, endpoints: [...container.endpoints, endpoint] }
  undo.defer(async () => void (await followPorts(parts, changed, container)))
  const published = await followPorts(parts, container, changed)
  undo.defer(() => parts.names.removeEndpoint(endpoint.network, endpoint.id))
  nameEndpoint(parts, endpoint)
  undo.defer(() => tellContainer(parts, changed, container))
  await tellContainer(parts, container, changed)
  return { ...changed, published: led.endpoint === '' ? published : led.published }
}

/** What the container itself knows of its networks: its name service, which one that was on `none` has not had, and its files. */
export async function tellContainer(
  parts: Parts,
  before: ContainerRecord,
  changed: ContainerRecord,
): Promise<void> {
  const options = resolverOptions(parts, changed)
  const [used, uses] = [usesNames(parts, before), usesNames(parts, changed)]
  if (used) parts.names.update(changed.id, options)
  else if (uses) {
    using sandbox = adoptSandbox({ execRoot: parts.execRoot, id: changed.id })
    await parts.names.open(sandbox, options)
  }
  updateContainerFiles(parts.dataRoot, changed.id, containerTexts(parts, changed, true, used || uses))
}

/** Throws kind 'forbidden' when the container is not on the network. */
export async function disconnect(
  parts: Parts,
  network: NetworkRecord,
  container: ContainerRecord,
): Promise<void> {
  const endpoint = container.endpoints.find((candidate) => candidate.network === network.id)
  if (endpoint === undefined) {
    const what = container.state.status === 'running' ? 'network' : 'the network'
    throw new TsnetError(
      'forbidden',
      'not-connected',
      `container ${container.id} is not connected to ${what} ${network.name}`,
    )
  }
  if (network.driver === 'host') {
    throw new TsnetError(
      'forbidden',
      'host-network',
      'container cannot be disconnected from host network or connected to host network',
    )
  }
  const changed = {
    ...container,
    endpoints: container.endpoints.filter((candidate) => candidate.id !== endpoint.id),
  }
  const isRunning = container.state.status === 'running'
  const entry = parts.store.journal.begin('disconnect', container.id, { endpoint })
  await using undo = new AsyncDisposableStack()
  // Who was told of a failure is still connected: the next start of the daemon is not to finish it, another attempt may.
  undo.defer(() => parts.store.journal.clear(entry))
  if (isRunning) undo.defer(async () => void (await followPorts(parts, changed, container)))
  const wasLed = isRunning && leadsPorts(parts, container, endpoint)
  const followed = isRunning ? await followPorts(parts, container, changed) : container.published
  await finishDisconnect(parts, container, endpoint)
  await parts.firewall.apply({
    add: [],
    remove: egressRules(parts, { ...container, endpoints: [endpoint] }),
  })
  if (isRunning) await tellContainer(parts, container, changed)
  // Nobody has taken them over.
  const isLedNoMore = wasLed && followed === container.published
  if (isLedNoMore) parts.ports.release(container.id)
  const published = isLedNoMore ? [] : followed
  parts.store.transaction(() => {
    parts.store.containers.put(container.id, { ...changed, published })
    parts.store.journal.clear(entry)
  })
  undo.move()
  await parts.egress.follow(changed)
  tellMove(parts, 'disconnect', network, container)
}

/** Forgets a stopped container's place on a network that is gone; returns whether it had one. */
export function forgetEndpoint(parts: Parts, ref: string, container: ContainerRecord): boolean {
  const endpoints = container.endpoints.filter(
    ({ networkName, network }) =>
      parts.store.networks.has(network) || (networkName !== ref && network !== ref),
  )
  if (endpoints.length === container.endpoints.length) return false
  parts.store.containers.put(container.id, { ...container, endpoints })
  return true
}

/** The kernel's part of a disconnect, which can be repeated after a crash. */
export async function finishDisconnect(
  parts: Parts,
  container: ContainerRecord,
  endpoint: EndpointRecord,
): Promise<void> {
  await detachEndpoint(parts, container.id, endpoint, false)
  if (container.state.status !== 'running') return
  const endpoints = container.endpoints.filter((candidate) => candidate.id !== endpoint.id)
  leadOut(parts, container, endpoints)
}

/** Hands the default routes over to the endpoints that now lead out. */
function leadOut(parts: Parts, container: ContainerRecord, endpoints: readonly EndpointRecord[]): void {
  const before = chooseDefaultRoutes(parts, container.endpoints)
  const after = chooseDefaultRoutes(parts, endpoints)
  using sandbox = adoptSandbox({ execRoot: parts.execRoot, id: container.id })
  for (const { id, interfaceName, gateway4, gateway6 } of endpoints) {
    setDefaultRoutes(sandbox, {
      name: interfaceName,
      gateway4: id === after.v4 && id !== before.v4 ? gateway4 : '',
      gateway6: id === after.v6 && id !== before.v6 ? gateway6 : '',
    })
  }
}
