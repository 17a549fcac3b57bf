/** A container's record as GET /containers/{id}/json answers it. */

import { mergeEnv } from '../../engine/plan.ts'
import type { PluginWait } from '../../plugins/plugins.ts'
import type { ContainerRecord, ContainerState, ImageConfig, ImageRecord } from '../../store/records.ts'
import { shortId } from '../../values/id.ts'
import { listPorts, splitPortRange } from '../../values/port-range.ts'
import type {
  ContainerConfigAnswer,
  ContainerInspect,
  ContainerStateAnswer,
  NetworkSettingsAnswer,
} from '../schema/container.ts'
import { toEndpointState } from './endpoints.ts'
import { toHostConfig } from './host-config.ts'
import { toMountSummaries } from './mounts.ts'
import { isContainerMode } from './network-mode.ts'
import { toPortMap } from './ports.ts'
import { timeOrNever } from './time.ts'

/** What inspect tells beside the record. */
export interface InspectSurroundings {
  /** null when the image is gone */
  readonly image: ImageRecord | null
  readonly dataRoot: string
  readonly execRoot: string
  /** For which plugin its start waits now. */
  readonly waiting: PluginWait | null
  /** Its exposed ports, where something could lead to them. */
  readonly exposed: readonly string[]
  /** The x of the 1.x that the client speaks. */
  readonly apiVersion: number
}

export function toContainerInspect(
  record: ContainerRecord,
  surroundings: InspectSurroundings,
): ContainerInspect {
  const [path = '', ...args] = record.argv
  return {
    Id: record.id,
    Created: record.createdAt,
    Path: path,
    Args: args,
    State: toState(record.state, surroundings.waiting),
    Image: record.image,
    ...filePaths(record, surroundings.dataRoot),
    Name: `/${record.name}`,
    RestartCount: record.restartCount,
    Driver: 'overlay2',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: null,
    HostConfig: toHostConfig(record.spec, record.name),
    GraphDriver: { Name: 'overlay2', Data: overlayPaths(record, surroundings) },
    Mounts: toMountSummaries(record.mounts),
    Config: toConfig(record, surroundings.image?.config ?? null),
    NetworkSettings: toNetworkSettings(record, surroundings),
  }
}

/** Files in the container's directory, which are made by its first start, or in that of the container whose network it uses. */
function filePaths({ id, state, spec }: ContainerRecord, dataRoot: string) {
  const owner = /^container:(.+)/.exec(spec.networkMode)?.[1] ?? id
  const path = (of: string, name: string): string =>
    state.startedAt === '' ? '' : `${dataRoot}/containers/${of}/${name}`
  return {
    ResolvConfPath: path(owner, 'resolv.conf'),
    HostnamePath: path(owner, 'hostname'),
    HostsPath: path(owner, 'hosts'),
    LogPath: path(id, `${id}-json.log`),
  }
}

function overlayPaths(
  { id }: ContainerRecord,
  { image, dataRoot }: InspectSurroundings,
): Record<string, string> {
  const directory = `${dataRoot}/containers/${id}`
  const layers = image?.layers.toReversed().map((layer) => `${dataRoot}/layers/${layer}`) ?? []
  return {
    LowerDir: layers.join(':'),
    MergedDir: `${directory}/merged`,
    UpperDir: `${directory}/upper`,
    WorkDir: `${directory}/work`,
  }
}

function toState(state: ContainerState, waiting: PluginWait | null): ContainerStateAnswer {
  return {
    Status: state.status,
    Running: state.status === 'running',
    Paused: false,
    Restarting: false,
    OOMKilled: state.oomKilled,
    Dead: state.status === 'dead',
    Pid: state.pid,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: timeOrNever(state.startedAt),
    FinishedAt: timeOrNever(state.finishedAt),
    ...(waiting !== null && { Waiting: { Plugin: waiting.plugin, Since: waiting.since } }),
  }
}

/** With what comes from the image filled in, as in Docker. */
function toConfig(record: ContainerRecord, image: ImageConfig | null): ContainerConfigAnswer {
  const { spec } = record
  const exposed = toSet(record.exposedPorts.flatMap((range) => listPorts(splitPortRange(range))))
  const inherited = image?.volumes ?? targetsOf(record.mounts, 'image')
  const volumes = [...inherited, ...targetsOf(spec.mounts, 'anonymous')]
  return {
    Hostname: record.hostname,
    Domainname: spec.domainname,
    User: record.user,
    AttachStdin: spec.attachStdin,
    AttachStdout: spec.attachStdout,
    AttachStderr: spec.attachStderr,
    ...(record.exposedPorts.length > 0 && { ExposedPorts: exposed }),
    Tty: spec.tty,
    OpenStdin: spec.openStdin,
    StdinOnce: spec.stdinOnce,
    // Without what every container gets, such as PATH: copied to another container, that would hide its image's.
    Env: image === null ? record.env : mergeEnv(image.env, spec.env),
    ...splitCommand(record, image),
    Image: spec.image,
    Volumes: volumes.length > 0 ? toSet(volumes) : null,
    WorkingDir: spec.workingDir || image?.workingDir || '',
    OnBuild: null,
    Labels: record.labels,
    StopSignal: record.stopSignal,
    ...(spec.stopTimeout !== null && { StopTimeout: spec.stopTimeout }),
  }
}

function targetsOf(mounts: readonly { syntax: string; target: string }[], syntax: string): string[] {
  return mounts.filter((mount) => mount.syntax === syntax).map(({ target }) => target)
}

function toSet(keys: readonly string[]): Record<string, object> {
  return Object.fromEntries(keys.map((key) => [key, {}]))
}

/** Cuts the command line where entrypoint and command meet; without the image all of it is the command. */
function splitCommand({ spec, argv }: ContainerRecord, image: ImageConfig | null) {
  const entrypoint = spec.entrypoint ?? image?.entrypoint ?? entrypointBefore(argv, spec.command)
  const rest = argv.slice(entrypoint.filter((word, index) => index > 0 || word !== '').length)
  return { Entrypoint: entrypoint.length > 0 ? entrypoint : null, Cmd: rest.length > 0 ? rest : null }
}

function entrypointBefore(argv: readonly string[], command: readonly string[] | null): readonly string[] {
  return command === null ? [] : argv.slice(0, argv.length - command.length)
}

/** Containers have aliases on the networks that users made. */
const hasAliases = (network: string): boolean => !['bridge', 'host', 'none'].includes(network)

function toNetworkSettings(
  record: ContainerRecord,
  { execRoot, apiVersion, exposed }: InspectSurroundings,
): NetworkSettingsAnswer {
  const isRunning = record.state.status === 'running'
  const hasSandbox =
    isRunning && record.spec.networkMode !== 'host' && !isContainerMode(record.spec.networkMode)
  const networks = record.endpoints.map((endpoint) => {
    const state = toEndpointState(endpoint, isRunning)
    // Until 1.44 clients found the short id among the aliases, now it is one of the DNS names.
    if (apiVersion < 45 && hasAliases(endpoint.networkName)) {
      state.Aliases = [...new Set([...(state.Aliases ?? []), shortId(record.id)])]
    }
    return [endpoint.networkName, state] as const
  })
  const primary = networks.find(([name]) => name === 'bridge')?.[1]
  return {
    Bridge: '',
    SandboxID: hasSandbox ? record.id : '',
    SandboxKey: hasSandbox ? `${execRoot}/netns/${record.id}` : '',
    Ports: isRunning ? toPortMap(record.published, exposed) : {},
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: primary?.EndpointID ?? '',
    Gateway: primary?.Gateway ?? '',
    GlobalIPv6Address: primary?.GlobalIPv6Address ?? '',
    GlobalIPv6PrefixLen: primary?.GlobalIPv6PrefixLen ?? 0,
    IPAddress: primary?.IPAddress ?? '',
    IPPrefixLen: primary?.IPPrefixLen ?? 0,
    IPv6Gateway: primary?.IPv6Gateway ?? '',
    MacAddress: primary?.MacAddress ?? '',
    Networks: Object.fromEntries(networks),
  }
}
