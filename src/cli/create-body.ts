/** The flags of `run` and `create` as the body of POST /containers/create. */
import type { ContainerFlags } from './flags.ts'
import { badValue } from './values/bad-value.ts'
import { joinEgress } from './values/egress.ts'
import { readKeyValueFiles, toRecord } from './values/key-value.ts'
import type { Mount } from './values/mount.ts'
import { checkMac, isUserDefined, type NetworkFlag } from './values/network.ts'
import { type PortBindings, parseExpose, parsePublish, toPortBindings } from './values/ports.ts'
import { parseRestartPolicy } from './values/restart-policy.ts'
import { parseSecurityOptions } from './values/security.ts'
import type { Ulimit } from './values/ulimit.ts'
import { parseTmpfs, parseVolume } from './values/volume.ts'

/** A container's place on one network, in the API's words. */
export interface EndpointSettings {
  IPAMConfig?: { IPv4Address?: string; IPv6Address?: string; LinkLocalIPs?: readonly string[] }
  Links?: readonly string[]
  Aliases?: readonly string[]
  DriverOpts?: Readonly<Record<string, string>>
  MacAddress?: string
  GwPriority?: number
}

/** What the container gets from the host, in the API's words; 0 and '' mean the daemon's own choice. */
export interface HostConfig {
  AutoRemove: boolean
  Binds: readonly string[]
  CapAdd: readonly string[]
  CapDrop: readonly string[]
  ConsoleSize: readonly [rows: number, columns: number]
  ContainerIDFile: string
  CpuPeriod: number
  CpuQuota: number
  CpuShares: number
  CpusetCpus: string
  CpusetMems: string
  Dns: readonly string[]
  DnsOptions: readonly string[]
  DnsSearch: readonly string[]
  ExtraHosts: readonly string[]
  GroupAdd: readonly string[]
  Init?: boolean
  Links?: readonly string[]
  MaskedPaths?: readonly string[]
  Memory: number
  MemoryReservation: number
  MemorySwap: number
  Mounts: readonly Mount[]
  NanoCpus: number
  NetworkMode: string
  OomScoreAdj: number
  PidsLimit: number
  PortBindings: Readonly<PortBindings>
  Privileged: boolean
  PublishAllPorts: boolean
  ReadonlyPaths?: readonly string[]
  ReadonlyRootfs: boolean
  RestartPolicy: { Name: string; MaximumRetryCount: number }
  SecurityOpt: readonly string[]
  ShmSize: number
  Sysctls: Readonly<Record<string, string>>
  Tmpfs: Readonly<Record<string, string>>
  Ulimits: readonly Ulimit[]
  VolumeDriver: string
  VolumesFrom: readonly string[]
}

/** Body of POST /containers/create. null for Cmd and Entrypoint takes the image's, which an empty list would not. */
export interface CreateBody {
  Hostname: string
  Domainname: string
  User: string
  AttachStdin: boolean
  AttachStdout: boolean
  AttachStderr: boolean
  ExposedPorts: Readonly<Record<string, object>>
  Tty: boolean
  OpenStdin: boolean
  StdinOnce: boolean
  Env: readonly string[]
  Cmd: readonly string[] | null
  Image: string
  Volumes: Readonly<Record<string, object>>
  WorkingDir: string
  Entrypoint: readonly string[] | null
  Labels: Readonly<Record<string, string>>
  StopSignal?: string
  StopTimeout?: number
  HostConfig: HostConfig
  NetworkingConfig: { EndpointsConfig: Readonly<Record<string, EndpointSettings>> }
}

/** Where relative paths and bare variable names are looked up. */
export interface Surroundings {
  readonly directory: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly consoleSize: { readonly rows: number; readonly columns: number }
}

/** Throws with Docker's texts when flags contradict each other. Reads only the files that flags name. */
export function buildCreateBody(
  flags: ContainerFlags,
  given: ReadonlySet<string>,
  [image, ...command]: readonly [string, ...string[]],
  surroundings: Surroundings,
): CreateBody {
  const { environment } = surroundings
  const isAttached = (stream: string) => flags.attach.includes(stream)
  const stdin = isAttached('stdin') || flags.interactive
  return {
    Hostname: flags.hostname,
    Domainname: flags.domainname,
    User: flags.user,
    AttachStdin: stdin,
    AttachStdout: isAttached('stdout') || flags.attach.length === 0,
    AttachStderr: isAttached('stderr') || flags.attach.length === 0,
    ExposedPorts: exposedPorts(flags),
    Tty: flags.tty,
    OpenStdin: flags.interactive,
    StdinOnce: flags.interactive && stdin,
    Env: [
      ...prefixErrors('--env-file', () => readKeyValueFiles(flags['env-file'], environment)),
      ...flags.env,
    ],
    Cmd: command.length > 0 ? command : null,
    Image: image,
    Volumes: Object.fromEntries(volumes(flags, surroundings).anonymous.map((path) => [path, {}])),
    WorkingDir: flags.workdir,
    Entrypoint: given.has('entrypoint') ? [flags.entrypoint] : null,
    Labels: toRecord([
      ...prefixErrors('--label-file', () => readKeyValueFiles(flags['label-file'], null)),
      ...flags.label,
    ]),
    ...(given.has('stop-signal') && { StopSignal: flags['stop-signal'] }),
    ...(given.has('stop-timeout') && { StopTimeout: flags['stop-timeout'] }),
    HostConfig: hostConfig(flags, given, surroundings),
    NetworkingConfig: { EndpointsConfig: endpoints(flags) },
  }
}

function hostConfig(
  flags: ContainerFlags,
  given: ReadonlySet<string>,
  surroundings: Surroundings,
): HostConfig {
  const security = parseSecurityOptions(flags['security-opt'])
  const restart = parseRestartPolicy(flags.restart)
  if (flags.rm && restart.Name !== '' && restart.Name !== 'no') {
    throw badValue('conflicting options: cannot specify both --restart and --rm')
  }
  return {
    AutoRemove: flags.rm,
    Binds: volumes(flags, surroundings).binds,
    CapAdd: flags['cap-add'],
    CapDrop: flags['cap-drop'],
    ConsoleSize: [surroundings.consoleSize.rows, surroundings.consoleSize.columns],
    ContainerIDFile: flags.cidfile,
    ...resources(flags),
    Dns: flags.dns,
    DnsOptions: [...flags['dns-opt'], ...flags['dns-option']],
    DnsSearch: flags['dns-search'],
    ...(given.has('egress') && { Egress: joinEgress(flags.egress) }),
    ExtraHosts: flags['add-host'],
    GroupAdd: flags['group-add'],
    ...(given.has('init') && { Init: flags.init }),
    // those of a user-defined network stand among its settings
    ...(flags.link.length > 0 &&
      !isUserDefined(networks(flags)[0]?.name ?? 'default') && { Links: flags.link }),
    Mounts: flags.mount,
    NetworkMode: networks(flags)[0]?.name ?? 'default',
    OomScoreAdj: flags['oom-score-adj'],
    PortBindings: toPortBindings(flags.publish.flatMap(parsePublish)),
    Privileged: flags.privileged,
    PublishAllPorts: flags['publish-all'],
    ReadonlyRootfs: flags['read-only'],
    RestartPolicy: restart,
    SecurityOpt: security.options,
    ...(security.isSystemPathsUnconfined && { MaskedPaths: [], ReadonlyPaths: [] }),
    ShmSize: flags['shm-size'],
    Sysctls: flags.sysctl,
    Tmpfs: Object.fromEntries(flags.tmpfs.map(parseTmpfs)),
    Ulimits: ulimits(flags),
    VolumeDriver: flags['volume-driver'],
    VolumesFrom: flags['volumes-from'],
  }
}

function resources(flags: ContainerFlags) {
  return {
    CpuPeriod: flags['cpu-period'],
    CpuQuota: flags['cpu-quota'],
    CpuShares: flags['cpu-shares'],
    CpusetCpus: flags['cpuset-cpus'],
    CpusetMems: flags['cpuset-mems'],
    Memory: flags.memory,
    MemoryReservation: flags['memory-reservation'],
    MemorySwap: flags['memory-swap'],
    NanoCpus: flags.cpus,
    PidsLimit: flags['pids-limit'],
  }
}

/** The last of each name, sorted, as Docker sends them. */
function ulimits(flags: ContainerFlags): readonly Ulimit[] {
  const byName = new Map(flags.ulimit.map((limit) => [limit.Name, limit]))
  return [...byName.values()].sort((one, other) => (one.Name < other.Name ? -1 : 1))
}

function volumes(flags: ContainerFlags, { directory }: Surroundings) {
  const parsed = flags.volume.map((one) => parseVolume(one, directory))
  return {
    anonymous: parsed.flatMap((one) => ('anonymous' in one ? [one.anonymous] : [])),
    binds: [...new Set(parsed.flatMap((one) => ('bind' in one ? [one.bind] : [])))],
  }
}

function exposedPorts(flags: ContainerFlags): CreateBody['ExposedPorts'] {
  const published = flags.publish.flatMap(parsePublish).map(({ port }) => port)
  return Object.fromEntries([...published, ...flags.expose.flatMap(parseExpose)].map((port) => [port, {}]))
}

function networks(flags: ContainerFlags): readonly NetworkFlag[] {
  return [...flags.net, ...flags.network]
}

function endpoints(flags: ContainerFlags): Record<string, EndpointSettings> {
  if (flags['mac-address'] !== '') checkMac(flags['mac-address'])
  const wanted = networks(flags)
  const names = wanted.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw badValue(`network ${JSON.stringify(twice)} is specified multiple times`)
  if (names.some(isUserDefined) && !names.every(isUserDefined)) {
    throw badValue('conflicting options: cannot attach both user-defined and non-user-defined network-modes')
  }
  const [first, ...others] = wanted.length > 0 ? wanted : [defaultNetwork]
  const all = [withContainerFlags(first!, flags), ...others].map((network) => withRates(network, flags))
  const settings = all.map((network): [string, EndpointSettings] => [network.name, endpointSettings(network)])
  // A single network without settings of its own is told by NetworkMode alone, which daemons of every age take.
  if (wanted.length <= 1 && Object.keys(settings[0]![1]).length === 0) return {}
  return Object.fromEntries(settings)
}

const defaultNetwork: NetworkFlag = {
  name: 'default',
  aliases: [],
  ip: '',
  ip6: '',
  mac: '',
  links: [],
  linkLocal: [],
  driverOptions: {},
  gatewayPriority: 0,
}

/** `--net-rate` and `--net-rate-in` hold for each of the container's networks. */
function withRates(network: NetworkFlag, flags: ContainerFlags): NetworkFlag {
  const rates = {
    ...(flags['net-rate'] !== '' && { 'tsnet.endpoint.rate_out': flags['net-rate'] }),
    ...(flags['net-rate-in'] !== '' && { 'tsnet.endpoint.rate_in': flags['net-rate-in'] }),
  }
  return { ...network, driverOptions: { ...rates, ...network.driverOptions } }
}

/** `--ip`, `--network-alias` and the like belong to the first network. */
function withContainerFlags(network: NetworkFlag, flags: ContainerFlags): NetworkFlag {
  const aliases = [...flags['net-alias'], ...flags['network-alias']]
  const clash = (what: string) => badValue(`conflicting options: cannot specify both ${what}`)
  if (network.aliases.length > 0 && aliases.length > 0) throw clash('--network-alias and per-network alias')
  if (network.ip && flags.ip) throw clash('--ip and per-network IPv4 address')
  if (network.ip6 && flags.ip6) throw clash('--ip6 and per-network IPv6 address')
  if (network.mac && flags['mac-address']) throw clash('--mac-address and per-network MAC address')
  if (network.linkLocal.length > 0 && flags['link-local-ip'].length > 0) {
    throw clash('--link-local-ip and per-network link-local IP addresses')
  }
  return {
    ...network,
    aliases: [...network.aliases, ...aliases],
    ip: network.ip || flags.ip,
    ip6: network.ip6 || flags.ip6,
    mac: network.mac || flags['mac-address'],
    links: isUserDefined(network.name) ? [...flags.link] : [],
    linkLocal: [...network.linkLocal, ...flags['link-local-ip']],
  }
}

/** A network's own settings in the API's words; only what was given. */
export function endpointSettings(network: NetworkFlag): EndpointSettings {
  if (network.name.trim() === '') throw badValue('no name set for network')
  if (!isUserDefined(network.name) && network.aliases.length > 0) {
    throw badValue('network-scoped aliases are only supported for user-defined networks')
  }
  if (network.mac) checkMac(network.mac)
  const addresses = {
    ...(network.ip && { IPv4Address: network.ip }),
    ...(network.ip6 && { IPv6Address: network.ip6 }),
    ...(network.linkLocal.length > 0 && { LinkLocalIPs: network.linkLocal }),
  }
  return {
    ...(Object.keys(addresses).length > 0 && { IPAMConfig: addresses }),
    ...(network.links.length > 0 && { Links: network.links }),
    ...(network.aliases.length > 0 && { Aliases: network.aliases }),
    ...(Object.keys(network.driverOptions).length > 0 && { DriverOpts: network.driverOptions }),
    ...(network.mac && { MacAddress: network.mac }),
    ...(network.gatewayPriority !== 0 && { GwPriority: network.gatewayPriority }),
  }
}

function prefixErrors<T>(flag: string, body: () => T): T {
  try {
    return body()
  } catch (error) {
    throw badValue(`${flag}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
