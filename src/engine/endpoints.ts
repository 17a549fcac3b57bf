/**
 * A container's endpoint on one network: leased and attached, or given back. The same functions serve start, connect,
 * restore and their undoing.
 */
import type { AttachedEndpoint, EndpointSpec } from '../drivers/driver.ts'
import { parseEndpointOptions, sysctlsOf } from '../drivers/endpoint-options.ts'
import { TsnetError } from '../errors.ts'
import { findSandbox, type Sandbox } from '../sandbox/sandbox.ts'
import type { ContainerRecord, EndpointRecord, NetworkRecord, PortBinding } from '../store/records.ts'
import type { ContainerId } from '../values/id.ts'
import { randomMac } from '../values/mac.ts'
import { enterNetwork, leaveNetwork } from './active-networks.ts'
import { bareAddress, leaseAddresses, needsMac, poolFor, releaseAddresses } from './addresses.ts'
import { announceEndpoint, forgetNames } from './cluster-endpoints.ts'
import { releaseName } from './cluster-names.ts'
import { driverContext } from './driver-context.ts'
import { joinsNetwork } from './joined-network.ts'
import { acquireAddress, linkIpamOf } from './link-leases.ts'
import type { Parts } from './parts.ts'

/** Throws kind 'not-found' for one that was removed while the container was stopped. */
export function networkOf(parts: Parts, endpoint: EndpointRecord): NetworkRecord {
  const network = parts.store.networks.get(endpoint.network)
  if (network !== undefined) return network
  throw new TsnetError('not-found', 'no-such-network', `network ${endpoint.networkName} not found`)
}

/** What its container decides of an endpoint. */
export interface EndpointPlan extends Pick<EndpointSpec, 'interfaceName' | 'onlyOwnMac'> {
  readonly ports: readonly PortBinding[]
  readonly defaults: DefaultRoutes
}

/** What an endpoint is to be, so that its driver can make it. */
export function specOf(
  network: NetworkRecord,
  endpoint: EndpointRecord,
  { interfaceName, defaults, onlyOwnMac, ports }: EndpointPlan,
): EndpointSpec {
  const options = parseEndpointOptions(endpoint.request.options)
  return {
    id: endpoint.id,
    network,
    interfaceName,
    mac: endpoint.request.mac ?? endpoint.mac,
    address4: endpoint.address4,
    address6: endpoint.address6,
    linkLocal: endpoint.request.linkLocal,
    gateway4: endpoint.gateway4,
    gateway6: endpoint.gateway6,
    sysctls: sysctlsOf(options, interfaceName),
    onlyOwnMac,
    options: options.others,
    ports,
    aliases: endpoint.request.aliases,
    defaultRoute4: defaults.v4 === endpoint.id,
    defaultRoute6: defaults.v6 === endpoint.id,
  }
}

/** The endpoints through which a sandbox reaches the outside, by family; '' for none. */
export interface DefaultRoutes {
  readonly v4: string
  readonly v6: string
}

/** For each family the endpoint of highest priority whose network leads out; among equals the network's name decides, as in Docker. */
export function chooseDefaultRoutes(parts: Parts, endpoints: readonly EndpointRecord[]): DefaultRoutes {
  const ranked = rankEndpoints(endpoints, (endpoint) => networkOf(parts, endpoint).name)
  const leading = (family: 4 | 6): string =>
    ranked.find((endpoint) => gatewayOf(parts, endpoint, family) !== '')?.id ?? ''
  return { v4: leading(4), v6: leading(6) }
}

/** In the order in which endpoints come into question for the default routes. */
export function rankEndpoints(
  endpoints: readonly EndpointRecord[],
  nameOf: (endpoint: EndpointRecord) => string,
): EndpointRecord[] {
  return endpoints.toSorted(
    (a, b) => b.request.gatewayPriority - a.request.gatewayPriority || (nameOf(a) < nameOf(b) ? -1 : 1),
  )
}

/** What leads out of an endpoint's network for the addresses that it has or is going to have; '' for nothing. */
function gatewayOf(parts: Parts, endpoint: EndpointRecord, family: 4 | 6): string {
  const network = networkOf(parts, endpoint)
  // A server on the link says where it leads, once there is a lease.
  if (linkIpamOf(parts, network) !== undefined) return family === 4 && !network.internal ? '0.0.0.0' : ''
  const driver = parts.networkDriver(network.driver)
  if (driver.leadsOut !== undefined) return driver.leadsOut(network, family) ? anyHop[family] : ''
  const { address4, address6 } = endpoint.request
  const pool = poolFor(network, family, family === 4 ? address4 : address6)
  return pool === undefined ? '' : driver.gatewayFor(network, pool)
}

/** Stands for a next hop that is not known before the endpoint is. */
const anyHop = { 4: '0.0.0.0', 6: '::' } as const

/** Leases and attaches; what was done goes to `undo`. Returns the endpoint as it is now. */
export async function attachEndpoint(
  parts: Parts,
  undo: AsyncDisposableStack,
  sandbox: Sandbox,
  endpoint: EndpointRecord,
  plan: EndpointPlan,
): Promise<EndpointRecord> {
  const network = networkOf(parts, endpoint)
  const driver = parts.networkDriver(network.driver)
  const wanted = { ...endpoint, mac: await macBefore(parts, network, endpoint) }
  const addressed = { ...wanted, ...(await leaseAddresses(parts, undo, network, wanted)) }
  await enterNetwork(parts, undo, network, endpoint.id)
  undo.defer(() => driver.detach(driverContext(parts), attachedOf(network, addressed), sandbox))
  const attachment = await driver.attach(driverContext(parts), specOf(network, addressed, plan), sandbox)
  const { routes: _routes, dns: _dns, info: _info, ...known } = addressed
  const present = { ...known, ...attachment }
  undo.defer(() => forgetNames(parts, present))
  // One that is not the engine's own goes by its endpoint's first name.
  const unknown = { id: sandbox.id as ContainerId, name: endpoint.dnsNames[0] ?? '' }
  announceEndpoint(parts, parts.store.containers.get(sandbox.id) ?? unknown, present)
  const ipam = linkIpamOf(parts, network)
  if (ipam === undefined) return present
  const options = { before: endpoint.address4, leadsOut: plan.defaults.v4 === endpoint.id }
  return acquireAddress(parts, undo, ipam, sandbox, present, options)
}

/** The hardware address that an endpoint has before it is attached, '' for none. */
async function macBefore(parts: Parts, network: NetworkRecord, endpoint: EndpointRecord): Promise<string> {
  const mac = endpoint.request.mac ?? endpoint.mac
  if (mac !== '' || parts.networkDriver(network.driver).capabilities.addresses !== 'ipam') return mac
  return (await needsMac(parts, network)) ? randomMac() : ''
}

/** What a driver is told of an endpoint that it has attached before. */
export function attachedOf(
  network: NetworkRecord,
  { id, address4, address6 }: Pick<EndpointRecord, 'id' | 'address4' | 'address6'>,
): AttachedEndpoint {
  return { id, network, address4, address6 }
}

/** Takes an endpoint's interface away and gives back what was leased; with `keep` only the use of it. Safe to repeat. */
export async function detachEndpoint(
  parts: Parts,
  container: ContainerId,
  endpoint: EndpointRecord,
  keep: boolean,
): Promise<void> {
  forgetNames(parts, endpoint)
  if (!keep) releaseName(parts, endpoint)
  const network = parts.store.networks.get(endpoint.network)
  if (network === undefined) return
  using sandbox = findSandbox({ execRoot: parts.execRoot, id: container })
  await unlessMissing(parts, network, async () => linkIpamOf(parts, network)?.release(endpoint.id))
  await unlessMissing(parts, network, async () => {
    const driver = parts.networkDriver(network.driver)
    await driver.detach(driverContext(parts), attachedOf(network, endpoint), sandbox)
    await leaveNetwork(parts, network, endpoint.id)
  })
  await unlessMissing(parts, network, () => releaseAddresses(parts, network, endpoint, keep))
}

/** Of drivers that are not there, or whose file does not load, and of networks of a cluster that this daemon is no longer in. */
const missing: readonly string[] = ['no-driver', 'no-ipam-driver', 'driver-broken', 'no-cluster']

/** A driver that is missing keeps no container from ending: what it has of it is swept once it is there, or not among what it is told. */
async function unlessMissing(parts: Parts, network: NetworkRecord, body: () => Promise<void>): Promise<void> {
  try {
    await body()
  } catch (error) {
    if (!(error instanceof TsnetError && missing.includes(error.code))) throw error
    parts.log.warn({ network: network.name, err: error }, 'an endpoint was detached without its driver')
  }
}

/** The network `none` has no names; the host's has its own. */
export function usesNames(parts: Parts, container: ContainerRecord): boolean {
  return container.endpoints.some(
    (endpoint) => parts.networkDriver(networkOf(parts, endpoint).driver).capabilities.addresses !== 'none',
  )
}

/** Publishes an endpoint's names to its neighbours, also while its lease is lost: the world is not asked for what is theirs. */
export function nameEndpoint(parts: Parts, endpoint: EndpointRecord): void {
  const network = networkOf(parts, endpoint)
  const addresses = [endpoint.address4, endpoint.address6]
    .filter((address) => address !== '')
    .map(bareAddress)
  if (addresses.length === 0 && linkIpamOf(parts, network) === undefined) return
  parts.names.setEndpoint(network.id, network.name, endpoint.id, { names: [...endpoint.dnsNames], addresses })
}

/** Whether a container has a network namespace of its own. */
export function ownsSandbox(parts: Parts, container: ContainerRecord): boolean {
  if (joinsNetwork(container)) return false
  return container.endpoints.every((endpoint) => networkOf(parts, endpoint).driver !== 'host')
}

export function sandboxPath(parts: Pick<Parts, 'execRoot'>, id: ContainerId): string {
  return `${parts.execRoot}/netns/${id}`
}
