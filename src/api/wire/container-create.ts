/** The body of POST /containers/create as the engine's ContainerSpec. */
import { TsnetError } from '../../errors.ts'
import type { ContainerSpec, EndpointRequest, Ulimit } from '../../store/records.ts'
import { checkRlimit } from '../../sys/rlimit.ts'
import { isIp } from '../../values/ip.ts'
import type { ContainerCreate, HostConfig } from '../schema/container-create.ts'
import { toEgress } from './egress.ts'
import { toEndpointRequest } from './endpoints.ts'
import { toMountRequests, warnOfVolumeDriver } from './mounts.ts'
import { isContainerMode, refuseEndpoints, toNetworkMode } from './network-mode.ts'
import { toExposedPorts, toPortBindings } from './ports.ts'
import { toResources } from './resources.ts'
import { toCapabilities, toSecurityOptions, toSysctls } from './security.ts'
import { refuseUnsupported } from './unsupported-options.ts'

/** Bytes of /dev/shm when nobody says otherwise. */
const defaultShmSize = 64 * 1024 * 1024

export interface CreateContext {
  /** The x of the 1.x that the client speaks. */
  readonly apiVersion: number
  /** CPUs of the host */
  readonly cpus: number
}

export interface CreateRequest {
  readonly spec: ContainerSpec
  readonly warnings: readonly string[]
}

function invalid(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-container-config', message)
}

/** Throws kind 'invalid' for what cannot be, 'unsupported' for what Docker would do and tsnet does not. */
export function toContainerSpec(body: ContainerCreate, context: CreateContext): CreateRequest {
  if (Object.keys(body).length === 0) throw invalid('config cannot be empty in order to create a container')
  refuseUnsupported(body)
  const host = body.HostConfig ?? {}
  const networkMode = toNetworkMode(body)
  const warnings = context.apiVersion < 48 ? [] : warnOfVolumeDriver(host)
  const endpoints = withContainerMac(
    withLinks(toEndpoints(body, networkMode), host.Links ?? [], networkMode),
    body,
    networkMode,
    context.apiVersion,
    warnings,
  )
  const spec: ContainerSpec = {
    ...programOf(body),
    networkMode,
    endpoints,
    ports: toPortBindings(host.PortBindings ?? {}),
    publishAll: host.PublishAllPorts === true,
    volumesFrom: host.VolumesFrom ?? [],
    volumeDriver: host.VolumeDriver ?? '',
    egress: toEgress(host.Egress ?? null),
    exposedPorts: toExposedPorts(body.ExposedPorts ?? {}),
    mounts: toMountRequests(body),
    resources: toResources(host, context.cpus),
    autoRemove: host.AutoRemove === true,
    ...isolationOf(host, networkMode),
    ...nameServiceOf(host),
  }
  return { spec, warnings }
}

function programOf(body: ContainerCreate) {
  return {
    image: checkImage(body.Image ?? ''),
    entrypoint: toWords(body.Entrypoint),
    command: toWords(body.Cmd),
    env: checkEnv(body.Env ?? []),
    workingDir: checkWorkingDir(body.WorkingDir ?? ''),
    user: body.User ?? '',
    hostname: checkHostname(body.Hostname ?? ''),
    domainname: body.Domainname ?? '',
    labels: body.Labels ?? {},
    tty: body.Tty === true,
    consoleSize: toConsoleSize(body.HostConfig?.ConsoleSize ?? []),
    openStdin: body.OpenStdin === true,
    stdinOnce: body.StdinOnce === true,
    attachStdin: body.AttachStdin === true,
    attachStdout: body.AttachStdout === true,
    attachStderr: body.AttachStderr === true,
    stopSignal: body.StopSignal ?? '',
    stopTimeout: body.StopTimeout ?? null,
  }
}

function toConsoleSize([rows = 0, columns = 0]: readonly number[]): ContainerSpec['consoleSize'] {
  return [rows, columns]
}

function isolationOf(host: HostConfig, networkMode: string) {
  return {
    readOnlyRootfs: host.ReadonlyRootfs === true,
    capAdd: toCapabilities(host.CapAdd ?? []),
    capDrop: toCapabilities(host.CapDrop ?? []),
    ...toSecurityOptions(host.SecurityOpt ?? []),
    ulimits: (host.Ulimits ?? []).map(toUlimit),
    sysctls: toSysctls(host.Sysctls ?? {}, networkMode),
    shmSize: checkShmSize(host.ShmSize ?? 0),
    groupAdd: host.GroupAdd ?? [],
    oomScoreAdj: checkOomScore(host.OomScoreAdj ?? 0),
  }
}

function nameServiceOf(host: HostConfig) {
  return {
    dnsServers: (host.Dns ?? []).map(checkDnsServer),
    dnsSearch: host.DnsSearch ?? [],
    dnsOptions: host.DnsOptions ?? [],
    extraHosts: (host.ExtraHosts ?? []).map(checkExtraHost),
  }
}

function checkImage(image: string): string {
  if (image !== '') return image
  throw invalid('no image specified: name one in Image')
}

function toWords(value: string | readonly string[] | null | undefined): readonly string[] | null {
  return typeof value === 'string' ? [value] : (value ?? null)
}

function checkEnv(env: readonly string[]): readonly string[] {
  const nameless = env.find((entry) => entry === '' || entry.startsWith('='))
  if (nameless !== undefined) throw invalid(`invalid environment variable: ${nameless}`)
  return env
}

function checkWorkingDir(path: string): string {
  if (path === '' || path.startsWith('/')) return path
  throw invalid(`the working directory '${path}' is invalid, it needs to be an absolute path`)
}

/** HOST_NAME_MAX of Linux; dots are let pass, as by sethostname(2). */
const longestHostname = 64

function checkHostname(name: string): string {
  const isHostname = /^[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?$/.test(name) && name.length <= longestHostname
  if (name === '' || isHostname) return name
  throw invalid(
    `invalid hostname format: ${name}: up to ${longestHostname} letters, digits, dots and hyphens`,
  )
}

function toUlimit(limit: { Name?: string | null; Soft?: number | null; Hard?: number | null }): Ulimit {
  const ulimit = { name: limit.Name ?? '', soft: limit.Soft ?? 0, hard: limit.Hard ?? 0 }
  checkRlimit(ulimit)
  return ulimit
}

function checkShmSize(size: number): number {
  if (size < 0) throw invalid('SHM size can not be less than 0')
  return size === 0 ? defaultShmSize : size
}

function checkOomScore(score: number): number {
  if (score >= -1000 && score <= 1000) return score
  throw invalid(`Invalid value ${score}, range for oom score adj is [-1000, 1000]`)
}

function checkDnsServer(address: string): string {
  if (isIp(address)) return address
  throw invalid(`invalid IP address: ${address}`)
}

/** `name:address`; an address may be in brackets, and may be the word for the host itself. */
function checkExtraHost(entry: string): string {
  const colon = entry.indexOf(':')
  if (colon < 1) throw invalid(`bad format for add-host: "${entry}"`)
  const address = entry.slice(colon + 1).replace(/^\[(.*)\]$/, '$1')
  if (address !== 'host-gateway' && !isIp(address))
    throw invalid(`invalid IP address in add-host: "${address}"`)
  return `${entry.slice(0, colon)}:${address}`
}

type Endpoints = Readonly<Record<string, EndpointRequest>>

function toEndpoints(body: ContainerCreate, networkMode: string): Endpoints {
  const settings = body.NetworkingConfig?.EndpointsConfig ?? {}
  const requests = Object.entries(settings).map(([name, endpoint]): [string, EndpointRequest] => {
    const isDefault = name === 'default' && networkMode === 'bridge'
    return [isDefault ? 'bridge' : name, toEndpointRequest(endpoint)]
  })
  const endpoints = Object.fromEntries(requests)
  if (!isContainerMode(networkMode)) return endpoints
  refuseEndpoints(endpoints)
  return {}
}

/** HostConfig.Links belongs to the default network; other networks' links stand among their endpoint's settings. */
function withLinks(endpoints: Endpoints, links: readonly string[], networkMode: string): Endpoints {
  if (links.length === 0) return endpoints
  if (networkMode === 'host') {
    throw invalid(
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    )
  }
  if (networkMode !== 'bridge') return endpoints
  const endpoint = endpoints[networkMode] ?? toEndpointRequest(null)
  return { ...endpoints, [networkMode]: { ...endpoint, links: [...endpoint.links, ...links.map(checkLink)] } }
}

/** `/web:/me/front`, as inspect shows it, is the same as `web:front`. */
function checkLink(link: string): string {
  const [target = '', alias = target, ...more] = link.split(':')
  if (target === '' || alias === '' || more.length > 0) throw invalid(`bad format for links: ${link}`)
  return `${target.replace(/^\//, '')}:${alias.replace(/^.*\//, '')}`
}

/** Config.MacAddress, where clients before 1.44 put the address of the first network's endpoint. */
function withContainerMac(
  endpoints: Endpoints,
  body: ContainerCreate,
  networkMode: string,
  apiVersion: number,
  warnings: string[],
): Endpoints {
  const wished = body.MacAddress || endpoints[networkMode]?.mac
  if (wished && (networkMode === 'host' || networkMode === 'none')) {
    throw invalid('conflicting options: mac-address and the network mode')
  }
  if (!body.MacAddress) return endpoints
  const { mac } = toEndpointRequest({ MacAddress: body.MacAddress })
  const endpoint = endpoints[networkMode] ?? toEndpointRequest(null)
  if (endpoint.mac !== null && endpoint.mac !== mac) {
    throw invalid(
      'the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty',
    )
  }
  if (apiVersion >= 44) {
    warnings.push(
      'The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.',
    )
  }
  return { ...endpoints, [networkMode]: { ...endpoint, mac } }
}
