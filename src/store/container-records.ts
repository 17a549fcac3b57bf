/** Containers: what was asked for, and what has become of it. */
import type { ContainerId, ImageId } from '../values/id.ts'
import type { EndpointRecord, EndpointRequest } from './endpoint-records.ts'
import type { Labels } from './labels.ts'
import type { MountPoint, MountRequest } from './mount-records.ts'
import type { EgressEntry, PortBinding, PublishedPort } from './port-records.ts'

/** Limits of the container's cgroup; 0 means none, as in Docker. */
export interface Resources {
  /** bytes */
  readonly memory: number
  /** bytes of memory plus swap; -1 unlimited */
  readonly memorySwap: number
  /** bytes */
  readonly memoryReservation: number
  /** billionths of a CPU */
  readonly nanoCpus: number
  readonly cpuShares: number
  /** microseconds */
  readonly cpuPeriod: number
  /** microseconds */
  readonly cpuQuota: number
  readonly cpusetCpus: string
  readonly cpusetMems: string
  /** 0 or -1 means unlimited. */
  readonly pidsLimit: number
}

export interface Ulimit {
  /** Docker's short name: nofile, nproc, core … */
  readonly name: string
  readonly soft: number
  readonly hard: number
}

/** What the user asked for, defaults filled in, nothing resolved yet. */
export interface ContainerSpec {
  readonly image: string
  /** null takes the image's; an empty list clears it. */
  readonly entrypoint: readonly string[] | null
  readonly command: readonly string[] | null
  readonly env: readonly string[]
  readonly workingDir: string
  readonly user: string
  /** '' takes the short id */
  readonly hostname: string
  readonly domainname: string
  readonly labels: Labels
  readonly tty: boolean
  /** The terminal's size before the program runs, as long as nobody sets another; 0 for unknown. */
  readonly consoleSize: readonly [rows: number, columns: number]
  readonly openStdin: boolean
  readonly stdinOnce: boolean
  readonly attachStdin: boolean
  readonly attachStdout: boolean
  readonly attachStderr: boolean
  readonly stopSignal: string
  /** seconds; null takes 10, -1 waits for ever */
  readonly stopTimeout: number | null
  /** `80/tcp` */
  readonly exposedPorts: readonly string[]
  readonly autoRemove: boolean
  /** 'default', 'bridge', 'host', 'none', or a network's name or id. */
  readonly networkMode: string
  /** Wanted endpoints by the network's name or id; the networkMode's entry may be missing. */
  readonly endpoints: Readonly<Record<string, EndpointRequest>>
  readonly ports: readonly PortBinding[]
  readonly publishAll: boolean
  /** What it may reach outside its networks; null for everything. */
  readonly egress: readonly EgressEntry[] | null
  readonly mounts: readonly MountRequest[]
  /** `container[:ro|rw|z|Z]`: containers whose mounts it gets too. */
  readonly volumesFrom: readonly string[]
  /** The driver of volumes that name none and are not of `--mount`; '' for the local one. */
  readonly volumeDriver: string
  readonly resources: Resources
  readonly readOnlyRootfs: boolean
  /** Names without CAP_, upper case; 'ALL' is allowed. */
  readonly capAdd: readonly string[]
  readonly capDrop: readonly string[]
  readonly noNewPrivileges: boolean
  /** 'default', 'unconfined', or a profile in Docker's JSON form. */
  readonly seccomp: string
  readonly ulimits: readonly Ulimit[]
  readonly sysctls: Labels
  /** bytes of /dev/shm */
  readonly shmSize: number
  readonly dnsServers: readonly string[]
  readonly dnsSearch: readonly string[]
  readonly dnsOptions: readonly string[]
  /** `name:address` */
  readonly extraHosts: readonly string[]
  readonly groupAdd: readonly string[]
  readonly oomScoreAdj: number
}

export type ContainerStatus = 'created' | 'running' | 'exited' | 'removing' | 'dead'

export interface ContainerState {
  readonly status: ContainerStatus
  /** 0 when not running */
  readonly pid: number
  readonly exitCode: number
  /** Why the last start failed, '' otherwise. */
  readonly error: string
  readonly oomKilled: boolean
  /** ISO 8601; '' when never */
  readonly startedAt: string
  readonly finishedAt: string
}

export interface ContainerRecord {
  readonly id: ContainerId
  readonly name: string
  /** ISO 8601 */
  readonly createdAt: string
  readonly spec: ContainerSpec
  readonly image: ImageId
  readonly argv: readonly string[]
  readonly env: readonly string[]
  readonly workingDir: string
  readonly user: string
  readonly hostname: string
  readonly stopSignal: string
  readonly labels: Labels
  readonly mounts: readonly MountPoint[]
  readonly endpoints: readonly EndpointRecord[]
  readonly published: readonly PublishedPort[]
  readonly exposedPorts: readonly string[]
  readonly state: ContainerState
  readonly restartCount: number
}
