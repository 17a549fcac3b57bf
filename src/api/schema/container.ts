/** Containers in answers: a list's entry and the whole of inspect. */
import type { ContainerStatus, Labels, PublishedPort } from '../../store/records.ts'
import type { EndpointState } from './endpoint.ts'
import type { Mount } from './mount.ts'

/** A published port; the last three are tsnet's own and there only when they say something. */
export interface HostBinding {
  /** Always an address, or '' */
  HostIp: string
  HostPort: string
  /** The interface by which clients must come in. */
  HostInterface?: string
  /** CIDRs of the clients that may use it. */
  From?: readonly string[]
  HostPolicy?: 'respect'
  /** The daemon relays it: the container sees the host as the client. */
  Proxied?: true
}

export interface PortSummary {
  IP?: string
  PrivatePort: number
  PublicPort?: number
  Type: string
  /** From here on with `ranges=1` alone, tsnet's own parameter of a list: so many ports from these on, */
  Count?: number
  /** as in HostBinding, */
  HostInterface?: string
  From?: readonly string[]
  HostPolicy?: 'respect'
  /** and how packets travel. */
  Via?: PublishedPort['via']
}

export interface MountSummary {
  Type: string
  Name?: string
  Source: string
  Destination: string
  Driver?: string
  Mode: string
  RW: boolean
  Propagation: string
}

export interface ContainerSummary {
  Id: string
  Names: readonly string[]
  Image: string
  ImageID: string
  Command: string
  /** seconds since the epoch */
  Created: number
  Ports: readonly PortSummary[]
  Labels: Labels
  State: ContainerStatus
  /** for people: `Up 5 minutes` */
  Status: string
  HostConfig: { NetworkMode: string }
  NetworkSettings: { Networks: Readonly<Record<string, EndpointState>> }
  Mounts: readonly MountSummary[]
  /** With `ranges=1` alone, and where there are any: published ports that are also reached at IP, the container's own, by HostInterface or whichever. */
  Trusted?: readonly PortSummary[]
}

export interface ContainerStateAnswer {
  Status: ContainerStatus
  Running: boolean
  Paused: boolean
  Restarting: boolean
  OOMKilled: boolean
  Dead: boolean
  Pid: number
  ExitCode: number
  Error: string
  StartedAt: string
  FinishedAt: string
  /** tsnet's own, while a start waits for a plugin. */
  Waiting?: { Plugin: string; Since: string }
}

export interface ContainerConfigAnswer {
  Hostname: string
  Domainname: string
  User: string
  AttachStdin: boolean
  AttachStdout: boolean
  AttachStderr: boolean
  ExposedPorts?: Readonly<Record<string, object>>
  Tty: boolean
  OpenStdin: boolean
  StdinOnce: boolean
  Env: readonly string[]
  Cmd: readonly string[] | null
  Image: string
  Volumes: Readonly<Record<string, object>> | null
  WorkingDir: string
  Entrypoint: readonly string[] | null
  OnBuild: null
  Labels: Labels
  StopSignal: string
  StopTimeout?: number
}

export interface HostConfigAnswer {
  Binds: readonly string[] | null
  ContainerIDFile: string
  LogConfig: { Type: string; Config: object }
  NetworkMode: string
  PortBindings: Readonly<Record<string, readonly HostBinding[]>>
  /** tsnet's own, for a container with an egress policy */
  Egress?: readonly string[]
  RestartPolicy: { Name: string; MaximumRetryCount: number }
  AutoRemove: boolean
  VolumeDriver: string
  VolumesFrom: readonly string[] | null
  ConsoleSize: readonly [number, number]
  CapAdd: readonly string[] | null
  CapDrop: readonly string[] | null
  CgroupnsMode: string
  Dns: readonly string[]
  DnsOptions: readonly string[]
  DnsSearch: readonly string[]
  ExtraHosts: readonly string[] | null
  GroupAdd: readonly string[] | null
  IpcMode: string
  Cgroup: string
  Links: readonly string[] | null
  OomScoreAdj: number
  PidMode: string
  Privileged: boolean
  PublishAllPorts: boolean
  ReadonlyRootfs: boolean
  SecurityOpt: readonly string[] | null
  Tmpfs?: Readonly<Record<string, string>>
  UTSMode: string
  UsernsMode: string
  ShmSize: number
  Sysctls?: Labels
  Runtime: string
  Isolation: string
  CpuShares: number
  Memory: number
  NanoCpus: number
  CgroupParent: string
  BlkioWeight: number
  CpuPeriod: number
  CpuQuota: number
  CpusetCpus: string
  CpusetMems: string
  Devices: readonly never[]
  DeviceCgroupRules: null
  DeviceRequests: null
  MemoryReservation: number
  MemorySwap: number
  MemorySwappiness: null
  OomKillDisable: boolean
  PidsLimit: number | null
  Ulimits: readonly { Name: string; Hard: number; Soft: number }[]
  Mounts?: readonly Mount[]
  MaskedPaths: null
  ReadonlyPaths: null
}

export interface NetworkSettingsAnswer {
  Bridge: string
  SandboxID: string
  SandboxKey: string
  Ports: Readonly<Record<string, readonly HostBinding[] | null>>
  HairpinMode: boolean
  LinkLocalIPv6Address: string
  LinkLocalIPv6PrefixLen: number
  SecondaryIPAddresses: null
  SecondaryIPv6Addresses: null
  /** From here to MacAddress: the default network's endpoint. */
  EndpointID: string
  Gateway: string
  GlobalIPv6Address: string
  GlobalIPv6PrefixLen: number
  IPAddress: string
  IPPrefixLen: number
  IPv6Gateway: string
  MacAddress: string
  Networks: Readonly<Record<string, EndpointState>>
}

export interface ContainerInspect {
  Id: string
  Created: string
  Path: string
  Args: readonly string[]
  State: ContainerStateAnswer
  Image: string
  ResolvConfPath: string
  HostnamePath: string
  HostsPath: string
  LogPath: string
  Name: string
  RestartCount: number
  Driver: string
  Platform: string
  MountLabel: string
  ProcessLabel: string
  AppArmorProfile: string
  ExecIDs: readonly string[] | null
  HostConfig: HostConfigAnswer
  GraphDriver: { Name: string; Data: Readonly<Record<string, string>> | null }
  Mounts: readonly MountSummary[]
  Config: ContainerConfigAnswer
  NetworkSettings: NetworkSettingsAnswer
}

export interface ContainerWaited {
  StatusCode: number
  Error?: { Message: string }
}
