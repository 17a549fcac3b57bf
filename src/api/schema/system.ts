/** What the daemon says of itself. */
import type { ContainerSummary } from './container.ts'
import type { Driver } from './driver.ts'
import type { ImageSummary } from './image.ts'
import type { Volume } from './volume.ts'

export interface VersionAnswer {
  Platform: { Name: string }
  Components: readonly { Name: string; Version: string; Details: Readonly<Record<string, string>> }[]
  Version: string
  ApiVersion: string
  MinAPIVersion: string
  GitCommit: string
  GoVersion: string
  Os: string
  Arch: string
  KernelVersion: string
  BuildTime: string
}

export interface SystemInfoAnswer {
  ID: string
  Containers: number
  ContainersRunning: number
  ContainersPaused: number
  ContainersStopped: number
  Images: number
  Driver: string
  DriverStatus: readonly (readonly [string, string])[]
  Plugins: {
    Volume: readonly string[]
    Network: readonly string[]
    Authorization: null
    Log: readonly string[]
  }
  /** tsnet's own: drivers that are files or plugins. */
  TsnetDrivers: readonly Pick<Driver, 'Name' | 'Kind' | 'Origin' | 'Status' | 'Error'>[]
  MemoryLimit: boolean
  SwapLimit: boolean
  CpuCfsPeriod: boolean
  CpuCfsQuota: boolean
  CPUShares: boolean
  CPUSet: boolean
  PidsLimit: boolean
  IPv4Forwarding: boolean
  Debug: boolean
  NFd: number
  OomKillDisable: boolean
  NGoroutines: number
  SystemTime: string
  LoggingDriver: string
  CgroupDriver: string
  CgroupVersion: string
  NEventsListener: number
  KernelVersion: string
  OperatingSystem: string
  OSVersion: string
  OSType: string
  Architecture: string
  IndexServerAddress: string
  RegistryConfig: object
  NCPU: number
  MemTotal: number
  GenericResources: null
  DockerRootDir: string
  HttpProxy: string
  HttpsProxy: string
  NoProxy: string
  Name: string
  Labels: readonly string[]
  ExperimentalBuild: boolean
  ServerVersion: string
  Runtimes: Readonly<Record<string, { path: string }>>
  DefaultRuntime: string
  Swarm: object
  LiveRestoreEnabled: boolean
  Isolation: string
  InitBinary: string
  ContainerdCommit: { ID: string; Expected?: string }
  RuncCommit: { ID: string; Expected?: string }
  InitCommit: { ID: string; Expected?: string }
  SecurityOptions: readonly string[]
  FirewallBackend?: { Driver: string }
  CDISpecDirs: readonly string[]
  /** tsnet's own: this host's place in its cluster; missing outside of one */
  TsnetCluster?: ClusterAnswer
  Warnings: readonly string[] | null
}

export interface ClusterAnswer {
  /** what the other hosts call this one */
  Name: string
  /** where they reach it */
  Address: string
  Mtu: number
  /** 'connected', 'away' (etcd does not answer), 'fenced' (what it held is being claimed anew) */
  State: string
  Since: string
  /** what the way to etcd answered last, '' while connected */
  Error: string
  Hosts: number
}

export interface DiskUsage {
  LayersSize: number
  Images: readonly ImageSummary[]
  Containers: readonly ContainerSummary[]
  Volumes: readonly Volume[]
  BuildCache: readonly never[]
}

/** A line of GET /events. `status`, `id` and `from` are the older form, for containers and images. */
export interface EventMessage {
  status?: string
  id?: string
  from?: string
  Type: string
  Action: string
  Actor: { ID: string; Attributes: Readonly<Record<string, string>> }
  scope: string
  /** seconds since the epoch */
  time: number
  timeNano: number
}
