/** What the daemon says of itself on the wire. */
import type { ClusterStatus, DriverInfo, SystemInfo } from '../../engine/engine.ts'
import type { ContainerRecord } from '../../store/records.ts'
import type { ClusterAnswer, SystemInfoAnswer, VersionAnswer } from '../schema/system.ts'
import { formatVersion, minimumVersion, newestVersion } from '../version.ts'

/** Node's names of architectures in Go's words, which /version speaks, and in the kernel's, which /info speaks. */
const architectures: Readonly<Record<string, readonly [go: string, kernel: string]>> = {
  x64: ['amd64', 'x86_64'],
  arm64: ['arm64', 'aarch64'],
}

export function toVersion(version: string, info: SystemInfo, architecture: string): VersionAnswer {
  const [goArchitecture] = architectures[architecture] ?? [architecture]
  const facts = {
    ApiVersion: formatVersion(newestVersion),
    MinAPIVersion: formatVersion(minimumVersion),
    GitCommit: '',
    GoVersion: '',
    Os: 'linux',
    Arch: goArchitecture,
    KernelVersion: info.kernel,
    BuildTime: '',
  }
  return {
    Platform: { Name: 'tsnet' },
    Components: [{ Name: 'Engine', Version: version, Details: { ...facts, Experimental: 'false' } }],
    Version: version,
    ...facts,
  }
}

export interface SystemFacts {
  readonly info: SystemInfo
  readonly version: string
  readonly apiVersion: number
  readonly architecture: string
  readonly containers: readonly ContainerRecord[]
  readonly images: number
  readonly drivers: readonly DriverInfo[]
  readonly now: Date
  readonly cluster: ClusterStatus | null
}

export function toSystemInfo(facts: SystemFacts): SystemInfoAnswer {
  const { info, version, apiVersion, containers } = facts
  const [, machine = facts.architecture] = architectures[facts.architecture] ?? []
  const running = containers.filter(({ state }) => state.status === 'running').length
  return {
    ...unchanging,
    ID: info.id,
    Containers: containers.length,
    ContainersRunning: running,
    ContainersStopped: containers.length - running,
    Images: facts.images,
    Plugins: toPlugins(facts.drivers),
    TsnetDrivers: facts.drivers.filter(({ origin }) => origin !== 'built-in').map(toHealth),
    SystemTime: facts.now.toISOString(),
    CgroupVersion: String(info.cgroupVersion),
    KernelVersion: info.kernel,
    OperatingSystem: info.operatingSystem,
    Architecture: machine,
    NCPU: info.cpus,
    MemTotal: info.memory,
    DockerRootDir: info.dataRoot,
    Name: info.name,
    ServerVersion: version,
    SecurityOptions: [...(info.seccomp ? ['name=seccomp,profile=builtin'] : []), 'name=cgroupns'],
    ...(facts.cluster !== null && { TsnetCluster: toCluster(facts.cluster) }),
    Warnings: toWarnings(facts.cluster),
    ...(apiVersion >= 49 && { FirewallBackend: { Driver: info.firewall } }),
  }
}

function toPlugins(drivers: readonly DriverInfo[]): SystemInfoAnswer['Plugins'] {
  const names = (kind: DriverInfo['kind']): string[] =>
    drivers
      .filter((driver) => driver.kind === kind)
      .map(({ name }) => name)
      .sort()
  return { Volume: names('volume'), Network: names('network'), Authorization: null, Log: ['json-file'] }
}

function toHealth({
  name,
  kind,
  origin,
  status,
  error,
}: DriverInfo): SystemInfoAnswer['TsnetDrivers'][number] {
  return { Name: name, Kind: kind, Origin: origin, Status: status, Error: error }
}

function toCluster({ name, address, mtu, state, since, error, hosts }: ClusterStatus): ClusterAnswer {
  return { Name: name, Address: address, Mtu: mtu, State: state, Since: since, Error: error, Hosts: hosts }
}

/** Clients print each on a line of its own. */
function toWarnings(cluster: ClusterStatus | null): string[] | null {
  if (cluster === null) return null
  const warnings = [cluster.error, ...cluster.warnings].filter((warning) => warning !== '')
  return warnings.length === 0 ? null : warnings.map((warning) => `WARNING: ${warning}`)
}

/** What holds for every installation. */
const unchanging = {
  ContainersPaused: 0,
  Driver: 'overlay2',
  DriverStatus: [],
  MemoryLimit: true,
  SwapLimit: true,
  CpuCfsPeriod: true,
  CpuCfsQuota: true,
  CPUShares: true,
  CPUSet: true,
  PidsLimit: true,
  IPv4Forwarding: true,
  Debug: false,
  NFd: 0,
  OomKillDisable: false,
  NGoroutines: 0,
  LoggingDriver: 'json-file',
  CgroupDriver: 'cgroupfs',
  NEventsListener: 0,
  OSVersion: '',
  OSType: 'linux',
  IndexServerAddress: 'https://index.docker.io/v1/',
  RegistryConfig: { InsecureRegistryCIDRs: [], IndexConfigs: {}, Mirrors: [] },
  GenericResources: null,
  HttpProxy: '',
  HttpsProxy: '',
  NoProxy: '',
  Labels: [],
  ExperimentalBuild: false,
  Runtimes: { tsnet: { path: 'tsnet' } },
  DefaultRuntime: 'tsnet',
  Swarm: {
    NodeID: '',
    NodeAddr: '',
    LocalNodeState: 'inactive',
    ControlAvailable: false,
    Error: '',
    RemoteManagers: null,
  },
  LiveRestoreEnabled: true,
  Isolation: '',
  InitBinary: '',
  ContainerdCommit: { ID: '' },
  RuncCommit: { ID: '' },
  InitCommit: { ID: '' },
  CDISpecDirs: [],
} as const satisfies Partial<SystemInfoAnswer>
