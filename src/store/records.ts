/**
 * What tsnet remembers: frozen records, addressed by ids, stored as versioned JSON. Nothing here is a live object;
 * a store transaction is the only writer.
 */
import type { ContainerId, EndpointId, ImageId, NetworkId, SnapshotId, VolumeId } from '../values/id.ts'

export type Protocol = 'tcp' | 'udp' | 'sctp'
export type Labels = Readonly<Record<string, string>>

/** A port, or a range of `count` ports, that the user wants published. */
export interface PortBinding {
  readonly protocol: Protocol
  readonly containerPort: number
  /** '' means every address of the host, of both families. */
  readonly hostAddress: string
  /** The interface by which clients must come in, '' for any. */
  readonly hostInterface: string
  /** CIDRs of those who may use it, empty for everyone. */
  readonly sources: readonly string[]
  /** Whether the host's own rules for incoming packets decide who comes in, as for a program of the host. */
  readonly hostPolicy: '' | 'respect'
  /** The first host port, or 0 to choose free ones. */
  readonly hostPort: number
  /** The last host port to choose from when more are offered than wanted, else hostPort + count - 1 (0 with hostPort 0). */
  readonly hostPortEnd: number
  readonly count: number
}

/** A port, or a range of `count` ports, that is published now on one address of the host. */
export interface PublishedPort {
  readonly protocol: Protocol
  /** '0.0.0.0' and '::' are the wildcard addresses of their families. */
  readonly hostAddress: string
  /** The interface by which clients must come in, '' for any. */
  readonly hostInterface: string
  /** CIDRs of those who may use it, empty for everyone. */
  readonly sources: readonly string[]
  /** Whether the host's own rules for incoming packets decide who comes in, as for a program of the host. */
  readonly hostPolicy: '' | 'respect'
  readonly hostPort: number
  readonly containerPort: number
  readonly count: number
  /**
   * How packets travel: by DNAT in the kernel, through the daemon's proxy, which hides the client's address, or routed to the
   * container's own address, where no host port is taken.
   */
  readonly via: 'dnat' | 'proxy' | 'route'
}

/** What a container with an egress policy may reach: a destination, and there one port or all. */
export interface EgressEntry {
  /** A CIDR in canonical form, or a name in lower case; `*.example.com` means all names below. */
  readonly to: string
  /** '' for every protocol; `port` is 0 then */
  readonly protocol: Protocol | ''
  readonly port: number
}

export interface MountRequest {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'image'
  /** bind: a host path; volume: a name, or '' for an anonymous one; image: a reference; tmpfs: ''. As it was written. */
  readonly source: string
  /** As it was written: it may have dots and slashes too many. */
  readonly target: string
  readonly readOnly: boolean
  /** bind: make a missing source directory, as `-v` does and `--mount` does not. */
  readonly createSource: boolean
  /** volume: do not copy the image's content into an empty volume. */
  readonly noCopy: boolean
  readonly propagation: '' | 'private' | 'rprivate' | 'shared' | 'rshared' | 'slave' | 'rslave'
  /** bind: what becomes of the mounts below the source. */
  readonly recursion: Recursion
  /** volume, image: a path inside, relative and clean; '' for all of it. */
  readonly subpath: string
  /** bind, volume: how owners on disk are seen, `uid:1000:0:1;gid:1000:0:1` (kind, on disk, seen, count); '' as they are. */
  readonly idmap: string
  /** bind, volume: `uid:gid` of what this mount makes first; '' for root. */
  readonly own: string
  /** `-v`: the mode as it was written, e.g. `ro,Z`; told again. So is the consistency of `--mount`. */
  readonly mode: string
  readonly consistency: '' | 'default' | 'consistent' | 'cached' | 'delegated'
  /** tmpfs: mount options as for mount(8), e.g. `size=64m,mode=1777`. volume: '' */
  readonly options: string
  readonly driver: string
  readonly driverOptions: Labels
  readonly labels: Labels
  /** Where the request came from; inspect tells them apart. `anonymous` is `-v /path`, `image` a VOLUME of the image. */
  readonly syntax: 'bind-string' | 'mount' | 'tmpfs-flag' | 'anonymous' | 'image'
}

/**
 * Mounts below a bind's source come along (enabled) or not (disabled). Of a read-only bind they are read-only too where the
 * kernel can; they stay writable (writable); or the start fails where they cannot be made read-only (readonly).
 */
export type Recursion = 'enabled' | 'disabled' | 'writable' | 'readonly'

/** A mount as decided for a container. */
export interface MountPoint {
  readonly type: MountRequest['type']
  /** volume: its name; image: the reference */
  readonly name: string
  /** bind, volume: the path on the host; image: its id; tmpfs: '' */
  readonly source: string
  readonly target: string
  readonly driver: string
  readonly readOnly: boolean
  readonly createSource: boolean
  readonly noCopy: boolean
  readonly propagation: MountRequest['propagation']
  readonly recursion: Recursion
  readonly subpath: string
  readonly idmap: string
  readonly own: string
  readonly mode: string
  /** tmpfs: mount options */
  readonly options: string
  readonly syntax: MountRequest['syntax'] | 'volumes-from'
}

export interface EndpointRequest {
  readonly address4: string | null
  readonly address6: string | null
  readonly mac: string | null
  /** Further addresses of the interface, of either family, without prefix length. */
  readonly linkLocal: readonly string[]
  readonly aliases: readonly string[]
  /** `container:alias`: names by which this container alone finds neighbours. */
  readonly links: readonly string[]
  /** Of a container's networks that lead out, the one with the highest does; 0 unless said otherwise. */
  readonly gatewayPriority: number
  readonly options: Labels
}

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

export interface EndpointRecord {
  readonly id: EndpointId
  readonly network: NetworkId
  /** The name by which the user asked for the network. */
  readonly networkName: string
  readonly request: EndpointRequest
  /** The interface in the container, '' until the first attach. */
  readonly interfaceName: string
  readonly mac: string
  /** With prefix length, '10.1.0.2/24'; '' when there is none. Kept while stopped: the next start prefers it. */
  readonly address4: string
  readonly address6: string
  readonly gateway4: string
  readonly gateway6: string
  /** Every name by which other containers find it: name, short id, aliases. */
  readonly dnsNames: readonly string[]
  /** What the network's driver has decided by itself, where it is one that does. */
  readonly routes?: readonly EndpointRoute[]
  readonly dns?: EndpointDns
  readonly info?: EndpointInfo
}

/** What a driver tells of an endpoint, as it came in JSON. */
export type EndpointInfo = Readonly<Record<string, unknown>>

export interface EndpointRoute {
  /** CIDR */
  readonly destination: string
  /** '' for the network's gateway, or the link itself */
  readonly nextHop: string
}

export interface EndpointDns {
  readonly nameservers: readonly string[]
  readonly domain: string
  readonly search: readonly string[]
  readonly options: readonly string[]
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

export interface PoolRecord {
  /** CIDR in canonical form */
  readonly subnet: string
  /** CIDR inside the subnet, '' for all of it */
  readonly range: string
  /** address without prefix, '' for none */
  readonly gateway: string
  readonly auxiliary: Labels
  /** What an address manager that is another program knows it by. */
  readonly poolId?: string
}

export interface NetworkSpec {
  readonly name: string
  readonly driver: string
  readonly internal: boolean
  readonly attachable: boolean
  readonly ipv4: boolean
  readonly ipv6: boolean
  readonly ipamDriver: string
  readonly ipamOptions: Labels
  /** Wanted pools; empty fields are chosen. */
  readonly pools: readonly PoolRecord[]
  readonly options: Labels
  readonly labels: Labels
  /** Asked by its containers instead of the host's name servers; empty for those. */
  readonly dnsServers: readonly string[]
  /** Only holds settings for other networks. */
  readonly configOnly: boolean
  /** The network whose settings it takes, '' for none. */
  readonly configFrom: string
}

export interface NetworkRecord extends NetworkSpec {
  readonly id: NetworkId
  readonly createdAt: string
  /** bridge, host and none, which cannot be removed. */
  readonly predefined: boolean
  /** The families in which the user gave a subnet; others were chosen. */
  readonly givenFamilies: readonly (4 | 6)[]
  /** The settings that a network holds which is nothing but that; it has no pools and options itself. */
  readonly configuration: NetworkSpec | null
}

export interface VolumeSpec {
  /** '' makes an anonymous one */
  readonly name: string
  readonly driver: string
  readonly options: Labels
  readonly labels: Labels
}

export interface VolumeRecord extends VolumeSpec {
  /** Stays when the volume is renamed. */
  readonly id: VolumeId
  readonly createdAt: string
  readonly anonymous: boolean
  /** Absolute path of the data on this host. */
  readonly mountpoint: string
  /** Neither removed nor pruned before that is taken back. */
  readonly protected: boolean
  /** The container for which an anonymous one was made. */
  readonly origin: { readonly container: string; readonly image: string; readonly target: string } | null
}

/** A removed volume that can be restored. */
export interface TrashRecord {
  readonly volume: VolumeRecord
  /** ISO 8601 */
  readonly removedAt: string
  /** bytes, -1 while unknown */
  readonly size: number
}

/** What a volume held at a time. */
export interface SnapshotRecord {
  readonly id: SnapshotId
  readonly volume: VolumeId
  readonly name: string
  readonly createdAt: string
  /** bytes */
  readonly size: number
}

/** What an uploaded archive has become, for a sender that has not heard of it. */
export interface ImportRecord {
  /** the upload's */
  readonly token: string
  readonly volume: VolumeId
  /** What the volume held before. */
  readonly kept: SnapshotId | null
  readonly isVerified: boolean
  readonly entries: number
  /** bytes of all files */
  readonly bytes: number
}

/** The parts of an OCI image config that a container inherits. */
export interface ImageConfig {
  readonly env: readonly string[]
  readonly entrypoint: readonly string[] | null
  readonly command: readonly string[] | null
  readonly workingDir: string
  readonly user: string
  readonly exposedPorts: readonly string[]
  readonly volumes: readonly string[]
  readonly labels: Labels
  readonly stopSignal: string
  /** true when a command string is to be run by a shell; only echoed */
  readonly argsEscaped: boolean
}

export interface ImageRecord {
  readonly id: ImageId
  /** `name:tag` in familiar form, e.g. `alpine:3.20`, `localhost:5000/a/b:1` */
  readonly tags: readonly string[]
  /** `name@sha256:…` */
  readonly digests: readonly string[]
  readonly createdAt: string
  readonly architecture: string
  readonly os: string
  readonly author: string
  readonly comment: string
  /** Directory names of the extracted layers below `<data-root>/layers`, bottom first. */
  readonly layers: readonly string[]
  /** diff ids, bottom first, as in the config's rootfs */
  readonly diffIds: readonly string[]
  /** digest of the manifest in the content store, which names the config and the compressed layers */
  readonly manifest: string
  /** bytes of all extracted layers */
  readonly size: number
  readonly config: ImageConfig
}
