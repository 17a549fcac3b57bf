/**
 * From a request and a snapshot of what there is to the record of a container. Pure; every refusal of a create is
 * made here, before anything is touched.
 */
import type { EndpointWish } from '../drivers/driver.ts'
import { parseEndpointOptions } from '../drivers/endpoint-options.ts'
import { TsnetError } from '../errors.ts'
import type {
  ContainerRecord,
  ContainerSpec,
  EndpointRecord,
  EndpointRequest,
  ImageRecord,
  NetworkRecord,
} from '../store/records.ts'
import { resolveCapabilities } from '../sys/caps.ts'
import { parseSignal } from '../sys/signal.ts'
import { containsIp, parseCidr } from '../values/cidr.ts'
import { type ContainerId, type EndpointId, newId, shortId } from '../values/id.ts'
import { cleanPath } from '../values/path.ts'
import { formatPortRange, joinPortRanges, splitPortRange } from '../values/port-range.ts'
import { refuseTakenNames } from './interface-names.ts'
import { refuseConfiguration } from './network-configuration.ts'
import { type MountSurroundings, planMounts } from './plan-mounts.ts'
import { rangeOf } from './port-set.ts'

export interface Snapshot extends MountSurroundings {
  readonly image: ImageRecord
  /** Throws kind 'not-found' for a network that there is not. */
  readonly network: (ref: string) => NetworkRecord
  /** Throws what a network's driver has against an endpoint. */
  readonly checkEndpoint: EndpointCheck
}

export type EndpointCheck = (network: NetworkRecord, wish: EndpointWish) => void

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
export const defaultStopSignal = 'SIGTERM'

function invalid(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-container', message)
}

/** A wanted volume mount whose name is still open has source ''. */
export function planContainer(
  id: ContainerId,
  name: string,
  spec: ContainerSpec,
  snapshot: Snapshot,
): ContainerRecord {
  const { image } = snapshot
  const argv = commandOf(spec, image)
  const stopSignal = spec.stopSignal || image.config.stopSignal || defaultStopSignal
  parseSignal(stopSignal)
  resolveCapabilities({ add: spec.capAdd, drop: spec.capDrop })
  const endpoints = endpointsOf(id, name, spec, snapshot)
  checkExclusive(spec, endpoints, snapshot)
  refuseTakenNames(endpoints, false)
  return {
    id,
    name,
    createdAt: new Date().toISOString(),
    spec,
    image: image.id,
    argv,
    env: mergeEnv([defaultPath, `HOSTNAME=${spec.hostname || shortId(id)}`], image.config.env, spec.env),
    workingDir: workingDirOf(spec, image),
    user: spec.user || image.config.user,
    hostname: spec.hostname || shortId(id),
    stopSignal,
    labels: { ...image.config.labels, ...spec.labels },
    mounts: planMounts(spec, image, snapshot),
    endpoints,
    published: [],
    exposedPorts: exposedPortsOf(spec, image),
    state: {
      status: 'created',
      pid: 0,
      exitCode: 0,
      error: '',
      oomKilled: false,
      startedAt: '',
      finishedAt: '',
    },
    restartCount: 0,
  }
}

/** An entrypoint of the user's own does not take the image's command along, but none at all ([], not ['']) does. */
function commandOf(spec: ContainerSpec, image: ImageRecord): string[] {
  const entrypoint = spec.entrypoint ?? image.config.entrypoint ?? []
  const inherited = (spec.entrypoint ?? []).length === 0 ? (image.config.command ?? []) : []
  const command = spec.command !== null && spec.command.length > 0 ? spec.command : inherited
  const argv = [...entrypoint.filter((part, index) => index > 0 || part !== ''), ...command]
  if (argv.length === 0) throw invalid('no command specified')
  return argv
}

function workingDirOf(spec: ContainerSpec, image: ImageRecord): string {
  const path = spec.workingDir || image.config.workingDir || '/'
  if (!path.startsWith('/')) {
    throw invalid(`the working directory '${path}' is invalid, it needs to be an absolute path`)
  }
  return cleanPath(path)
}

/** Later lists win; an entry without '=' takes a variable away. */
export function mergeEnv(...lists: readonly (readonly string[])[]): string[] {
  const merged = new Map<string, string>()
  for (const entry of lists.flat()) {
    const equals = entry.indexOf('=')
    if (equals < 0) merged.delete(entry)
    else merged.set(entry.slice(0, equals), entry)
  }
  return [...merged.values()]
}

/** As ranges: the image's, the user's own, and those that are bound. */
export function exposedPortsOf(spec: ContainerSpec, image: ImageRecord): string[] {
  const exposed = [...image.config.exposedPorts, ...spec.exposedPorts].map(splitPortRange)
  return joinPortRanges([...exposed, ...spec.ports.map(rangeOf)]).map(formatPortRange)
}

function endpointsOf(
  id: ContainerId,
  name: string,
  spec: ContainerSpec,
  snapshot: Snapshot,
): EndpointRecord[] {
  const mode = spec.networkMode === 'default' || spec.networkMode === '' ? 'bridge' : spec.networkMode
  if (mode.startsWith('container:')) return []
  // The same network may be meant by its name, its id, and `default`.
  const requests = new Map(
    Object.entries(spec.endpoints).map(([ref, request]) => [snapshot.network(ref).id, request]),
  )
  const networks = [mode, ...Object.keys(spec.endpoints)].map(snapshot.network)
  return [...new Map(networks.map((network) => [network.id, network])).values()].map((network) => {
    const request = requests.get(network.id) ?? noRequest
    refuseConfiguration(network)
    checkRequest(network, request, snapshot.checkEndpoint)
    return planEndpoint(id, name, spec.hostname, network, request)
  })
}

export const noRequest: EndpointRequest = {
  address4: null,
  address6: null,
  mac: null,
  linkLocal: [],
  aliases: [],
  links: [],
  gatewayPriority: 0,
  options: {},
}

/** An endpoint before its first attach. */
export function planEndpoint(
  container: ContainerId,
  name: string,
  hostname: string,
  network: NetworkRecord,
  request: EndpointRequest,
): EndpointRecord {
  const names = [name, shortId(container), ...request.aliases, ...(hostname === '' ? [] : [hostname])]
  return {
    id: newId<EndpointId>(),
    network: network.id,
    networkName: network.name,
    request,
    interfaceName: '',
    mac: '',
    address4: '',
    address6: '',
    gateway4: '',
    gateway6: '',
    dnsNames: [...new Set(names)],
  }
}

/** Addresses must lie in one of the network's pools, whose subnet the user has chosen. Throws kind 'invalid'. */
export function checkRequest(
  network: NetworkRecord,
  request: EndpointRequest,
  checkEndpoint: EndpointCheck,
): void {
  checkEndpoint(network, { mac: request.mac, options: parseEndpointOptions(request.options).others })
  const isPredefined = network.driver === 'host' || network.driver === 'null' || network.name === 'bridge'
  if (isPredefined && request.aliases.length > 0) {
    throw invalid('network-scoped alias is supported only for containers in user defined networks')
  }
  for (const address of [request.address4, request.address6]) {
    if (address === null) continue
    if (isPredefined) throw invalid('user specified IP address is supported on user defined networks only')
    if (!network.givenFamilies.includes(address.includes(':') ? 6 : 4)) {
      throw invalid(
        'user specified IP address is supported only when connecting to networks with user configured subnets',
      )
    }
    // Without pools of the engine's it is the driver that gives addresses.
    if (
      network.pools.length > 0 &&
      !network.pools.some((pool) => containsIp(parseCidr(pool.subnet), address))
    ) {
      const subnets = network.pools
        .map((pool) => pool.subnet)
        .sort()
        .join(', ')
      throw invalid(
        `invalid endpoint settings: no configured subnet contains IP address ${address}: network ${network.name} has ${subnets}`,
      )
    }
  }
}

/** The networks of the host and of nobody are had alone. */
function checkExclusive(spec: ContainerSpec, endpoints: readonly EndpointRecord[], snapshot: Snapshot): void {
  const networks = endpoints.map((endpoint) => snapshot.network(endpoint.network))
  const exclusive = networks.find(({ driver }) => driver === 'host' || driver === 'null')
  if (exclusive !== undefined && networks.length > 1) {
    throw invalid(
      `container cannot be connected to network ${exclusive.name} together with another network: give one of them`,
    )
  }
  if (exclusive?.driver === 'host' && Object.keys(spec.sysctls).some((name) => name.startsWith('net.'))) {
    throw invalid('sysctls of net.* are not allowed in host network mode: they would change the host')
  }
}
