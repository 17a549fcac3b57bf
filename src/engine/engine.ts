/** The engine as the API sees it. `ref` is a full id, a unique prefix of one, or a name. */
import type { Duplex, Readable } from 'node:stream'
import type { ClusterEndpoint, ClusterHealth } from '../cluster/cluster.ts'
import type { DriverKind } from '../drivers/registry.ts'
import type { PublishRule } from '../firewall/rules.ts'
import type { Images } from '../images/image.ts'
import type { PoolUsage } from '../ipam/ipam.ts'
import type { PluginWait } from '../plugins/plugins.ts'
import type {
  ContainerRecord,
  ContainerSpec,
  EgressEntry,
  EndpointRecord,
  EndpointRequest,
  Labels,
  NetworkRecord,
  NetworkSpec,
  PortBinding,
  SnapshotRecord,
  TrashRecord,
  VolumeRecord,
  VolumeSpec,
} from '../store/records.ts'
import type { ContainerId, ExecId } from '../values/id.ts'
import type { VolumeStatus, VolumeUsage } from '../volumes/volume.ts'

export interface LogOptions {
  readonly stdout: boolean
  readonly stderr: boolean
  readonly follow: boolean
  readonly timestamps: boolean
  /** seconds since the epoch with fraction; 0 for none */
  readonly since: number
  readonly until: number
  /** lines from the end; -1 for all */
  readonly tail: number
}

export interface AttachOptions {
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  /** Follow what comes from now on. */
  readonly stream: boolean
  /** First replay the log. */
  readonly logs: boolean
  /** Docker's notation, '' for ctrl-p,ctrl-q */
  readonly detachKeys: string
}

export interface ExecSpec {
  readonly argv: readonly string[]
  readonly env: readonly string[]
  readonly workingDir: string
  readonly user: string
  readonly tty: boolean
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly privileged: boolean
  readonly detachKeys: string
}

export interface ExecRecord {
  readonly id: ExecId
  readonly container: ContainerId
  readonly spec: ExecSpec
  readonly running: boolean
  /** null until it ended */
  readonly exitCode: number | null
  readonly pid: number
}

export type { Images, Progress, ProgressSink, RegistryAuth } from '../images/image.ts'

export interface Containers {
  create(spec: ContainerSpec, name: string | null): Promise<{ id: ContainerId; warnings: string[] }>
  /** Throws kind 'unchanged' when it runs already. */
  start(ref: string): Promise<void>
  /** Throws kind 'unchanged' when it does not run. `timeout` in seconds. */
  stop(ref: string, options: { signal: string | null; timeout: number | null }): Promise<void>
  restart(ref: string, options: { signal: string | null; timeout: number | null }): Promise<void>
  kill(ref: string, signal: string): Promise<void>
  remove(ref: string, options: { force: boolean; volumes: boolean }): Promise<void>
  rename(ref: string, name: string): Promise<void>
  /** Publishes what `change` makes of the container's bindings, at once when it runs. */
  updatePorts(
    ref: string,
    change: (bindings: readonly PortBinding[]) => readonly PortBinding[],
  ): Promise<void>
  /** Null for everything. Established connections go on. */
  updateEgress(ref: string, egress: readonly EgressEntry[] | null): Promise<void>
  /** `out` and `in` as `50mbit,burst=64k`; '' takes a limit away, null leaves it as it is. */
  updateRates(ref: string, change: { out: string | null; in: string | null }): Promise<void>
  /**
   * Moves it to another host of the cluster, with its volumes, addresses and names. Throws kind 'conflict' with all that is against it
   * before it is stopped; when it fails later it is here as before.
   */
  move(ref: string, host: string, watch: MoveWatch): Promise<MovedContainer>
  wait(
    ref: string,
    condition: 'not-running' | 'next-exit' | 'removed',
    signal: AbortSignal,
  ): Promise<{ exitCode: number; error: string }>
  get(ref: string): ContainerRecord
  list(): readonly ContainerRecord[]
  /** Its exposed ports as long as it runs where something could lead to them. */
  exposedPorts(container: ContainerRecord): readonly string[]
  /** Its published ports that the trusted interfaces of its networks let in to at its own addresses. */
  trustedPorts(container: ContainerRecord): readonly PublishRule[]
  /** For which plugin its start waits now; null for none. */
  waitsFor(id: ContainerId): PluginWait | null
  /** Bytes in Docker's 8-byte frames, or raw for a container with a tty; writes go to stdin, end closes it. */
  attach(ref: string, options: AttachOptions): Promise<Duplex>
  /** Frames as for attach. Ends by itself, or when `signal` aborts. */
  logs(ref: string, options: LogOptions, signal: AbortSignal): Promise<Readable>
  resize(ref: string, rows: number, columns: number): Promise<void>
}

export interface MoveWatch {
  /** Of what is sent, which goes by the name of an image or a volume, or is the container's `root` or `log`; bytes so far. */
  sent(what: string, bytes: number): void
  readonly signal: AbortSignal
}

export interface MovedContainer {
  readonly container: ContainerRecord
  /** Why it is not known to run there although it ran here, '' when all is well. */
  readonly error: string
}

export interface Execs {
  create(container: string, spec: ExecSpec): Promise<ExecId>
  /** Resolves once the program runs; null when detached. */
  start(
    id: string,
    options: { detach: boolean; tty: boolean; rows: number; columns: number },
  ): Promise<Duplex | null>
  get(id: string): ExecRecord
  resize(id: string, rows: number, columns: number): Promise<void>
}

/** What is to change of a network; empty for nothing. */
export interface NetworkChange {
  readonly labelsAdd: Labels
  /** keys */
  readonly labelsRemove: readonly string[]
  /** addresses */
  readonly dnsAdd: readonly string[]
  readonly dnsRemove: readonly string[]
}

/** Where nothing is said of a family it is null, and as the options say, or as usual: with IPv4, without IPv6. */
export interface NetworkWish extends Omit<NetworkSpec, 'ipv4' | 'ipv6'> {
  readonly ipv4: boolean | null
  readonly ipv6: boolean | null
}

export interface Networks {
  create(wish: NetworkWish): Promise<{ network: NetworkRecord; warnings: string[] }>
  remove(ref: string): Promise<void>
  /** Removes those that nobody uses and `selected` agrees to; returns their names. Throws kind 'conflict' during another prune. */
  prune(selected: (network: NetworkRecord) => boolean): Promise<string[]>
  update(ref: string, change: NetworkChange): Promise<NetworkRecord>
  get(ref: string): NetworkRecord
  list(): readonly NetworkRecord[]
  connect(ref: string, container: string, request: EndpointRequest): Promise<void>
  disconnect(ref: string, container: string, force: boolean): Promise<void>
  /** A network's options as they count, defaults of the default network included. */
  options(ref: string): Labels
  /** The endpoints of running containers on a network. */
  endpoints(ref: string): readonly { container: ContainerRecord; endpoint: EndpointRecord }[]
  /** The use of each of its subnets, by CIDR. */
  usage(ref: string): Readonly<Record<string, PoolUsage>>
}

/** What is to change of a volume. */
export interface VolumeChange {
  readonly labelsAdd: Labels
  /** keys */
  readonly labelsRemove: readonly string[]
  /** null leaves it as it is */
  readonly protected: boolean | null
  /** as the option `size`; '' leaves it as it is */
  readonly size: string
}

export interface PrunedVolume {
  readonly volume: VolumeRecord
  /** bytes, -1 when it cannot be told */
  readonly size: number
  /** ISO 8601: until when it can be restored; null when it cannot be. */
  readonly endsAt: string | null
}

export interface Volumes {
  /** An existing volume of the same driver is returned as it is; a driver of '' is whichever it has, and local for a new one. */
  create(spec: VolumeSpec, isProtected?: boolean): Promise<VolumeRecord>
  /** Into the trash, or for good with `now`. With `force` a missing one is no failure. */
  remove(name: string, removal: { force: boolean; now: boolean }): Promise<void>
  /**
   * Removes those that no container mounts, that are not protected and that `selected` agrees to; a dry run only tells which.
   * Throws kind 'conflict' during another prune.
   */
  prune(
    selected: (volume: VolumeRecord) => boolean,
    pruning: { dryRun: boolean; now: boolean },
  ): Promise<readonly PrunedVolume[]>
  update(name: string, change: VolumeChange): Promise<VolumeRecord>
  /** Also while containers use it. */
  rename(name: string, wanted: string): Promise<VolumeRecord>
  /** Throws kind 'conflict' when the name is taken. */
  clone(source: string, clone: VolumeClone, watch: CopyWatch): Promise<VolumeRecord>
  readonly snapshots: VolumeSnapshots
  readonly trash: VolumeTrash
  get(name: string): VolumeRecord
  list(): readonly VolumeRecord[]
  /** What drivers have besides, as far as they have said. It becomes tsnet's when it is used, or created by its name. */
  others(): readonly VolumeRecord[]
  /** What is used of a volume's limit, told at once; null without a limit. */
  quota(name: string): Promise<VolumeUsage | null>
  /** What its driver knows of it without a question to anybody; null when it has nothing to say. */
  status(name: string): VolumeStatus | null
  /** bytes that each volume takes, by name; those that cannot be told in time are missing. */
  sizes(): Promise<ReadonlyMap<string, number>>
  /** Mounts a volume for somebody who is no container, and returns the path of the data; safe to repeat for the same user. */
  lend(name: string, user: string): Promise<string>
  /** Safe to repeat. */
  takeBack(name: string, user: string): Promise<void>
  /** Whom it is lent to. */
  borrowers(name: string): readonly string[]
  /** Containers that mount volumes, by the volumes' names. */
  users(): ReadonlyMap<string, readonly ContainerRecord[]>
}

/** How a clone differs from its source: null, or '' for the driver, is the source's. */
export interface VolumeClone {
  readonly name: string
  readonly driver: string
  readonly options: Labels | null
  readonly labels: Labels | null
}

/** Volumes out of and into archives (docs/volumes.md). */
export interface VolumeArchives {
  /**
   * The archive, or what is behind the part that is there. Throws kind 'conflict', code 'volume-changed', when it does not begin
   * with that part any more. A failure later breaks off the stream.
   */
  export(volume: string, resume: VolumeExport['resume'], watch: CopyWatch): Promise<Readable>
  /** bytes of an upload that are there; its token is 32 hex digits, chosen by its sender. */
  uploaded(token: string): Promise<number>
  /** Goes on with an upload, or begins it anew at 0; returns how much is there. Throws kind 'conflict' for another offset. */
  receive(token: string, offset: number, bytes: Readable): Promise<number>
  /** Makes a volume of an upload. Throws kind 'invalid' for an archive that is broken or hostile; nothing is left then. */
  import(volume: string, token: string, wanted: VolumeImport, watch: CopyWatch): Promise<ImportedVolume>
}

export interface VolumeExport {
  /** How many bytes of an archive are there already, and their check sum. */
  readonly resume: { readonly offset: number; readonly sha256: string } | null
}

export interface VolumeImport {
  /** '' for local */
  readonly driver: string
  readonly options: Labels
  /** null for those that the archive tells */
  readonly labels: Labels | null
  /** An existing volume gets the archive's content. */
  readonly replace: boolean
  /** With `replace`: without keeping what is there as a snapshot. */
  readonly now: boolean
  /** The most bytes of all files; null for what there is room for. */
  readonly maxSize: number | null
  readonly maxEntries: number
}

export interface ImportedVolume {
  readonly volume: VolumeRecord
  /** What an existing volume held before. */
  readonly kept: SnapshotRecord | null
  /** The archive had a check sum, which was right. */
  readonly isVerified: boolean
  readonly entries: number
  /** bytes of all files */
  readonly bytes: number
}

/** Somebody who waits for data to be copied. */
export interface CopyWatch {
  /** bytes; `total` is what is known of it until now */
  progress?(bytes: number, total: number): void
  readonly signal?: AbortSignal
}

export interface Rollback {
  /** Without keeping what is there. */
  readonly now: boolean
}

/** What a volume held at times. `ref` is a snapshot's name or the beginning of its id. */
export interface VolumeSnapshots {
  /** The oldest first. */
  list(volume: string): readonly SnapshotRecord[]
  /** Named by the time when `name` is ''. With `pause` the containers that run with the volume stand still meanwhile. */
  create(volume: string, wanted: { name: string; pause: boolean }, watch: CopyWatch): Promise<SnapshotRecord>
  remove(volume: string, ref: string): Promise<void>
  /** Returns the snapshot of what was there before, null with `now`. Throws kind 'conflict' while containers run with the volume. */
  rollback(volume: string, ref: string, rollback: Rollback, watch: CopyWatch): Promise<SnapshotRecord | null>
}

/** Removed volumes. `ref` is the name that one had, of which the latest is meant, or the beginning of its id. */
export interface VolumeTrash {
  /** The latest first. */
  list(): readonly TrashRecord[]
  /** Under its own name, or under `as` unless that is ''. */
  restore(ref: string, as: string): Promise<VolumeRecord>
  /** For good. Returns what it was. */
  remove(ref: string): Promise<PrunedVolume>
  empty(): Promise<readonly PrunedVolume[]>
  /** ISO 8601: when it goes by itself. */
  endsAt(record: TrashRecord): string
}

export interface SystemInfo {
  readonly name: string
  readonly dataRoot: string
  readonly execRoot: string
  readonly firewall: string
  readonly cgroupVersion: 1 | 2
  readonly kernel: string
  readonly operatingSystem: string
  readonly cpus: number
  /** bytes */
  readonly memory: number
  readonly seccomp: boolean
  readonly id: string
}

export interface EngineEvent {
  readonly type: 'container' | 'network' | 'volume' | 'image' | 'daemon'
  /** Docker's word: create, start, die, destroy, connect … */
  readonly action: string
  readonly id: string
  readonly attributes: Readonly<Record<string, string>>
  /** nanoseconds since the epoch */
  readonly time: bigint
}

/** The way out of a container for one family. */
export interface DefaultRoute {
  /** name */
  readonly network: string
  readonly gateway: string
  /** what made it the way out, in words */
  readonly why: string
}

/** What is connected to what. */
export interface Topology {
  /** the host's */
  readonly interfaces: readonly {
    readonly name: string
    readonly kind: string
    readonly up: boolean
    readonly mtu: number
    /** with prefix length */
    readonly addresses: readonly string[]
  }[]
  /** `link` is the host's link that stands for a network, '' for none. */
  readonly networks: readonly { readonly network: NetworkRecord; readonly link: string }[]
  readonly containers: readonly {
    readonly container: ContainerRecord
    readonly routes: { readonly v4: DefaultRoute | null; readonly v6: DefaultRoute | null }
  }[]
}

export interface DriverInfo {
  readonly name: string
  /** '' for a file that has never loaded, and a plugin that has never said what it is. */
  readonly kind: DriverKind | ''
  readonly origin: 'built-in' | 'file' | 'plugin'
  readonly capabilities: Readonly<Record<string, string>>
  /**
   * 'outdated': an earlier version of a file goes on, `error` says why; 'broken': there is none; 'unreachable': a plugin does not answer,
   * `error` says what is wrong.
   */
  readonly status: 'ready' | 'outdated' | 'broken' | 'unreachable'
  /** The file or package, or a plugin's socket; '' for others. */
  readonly path: string
  readonly description: string
  readonly error: string
  /** ISO 8601, '' for others than files. */
  readonly loadedAt: string
  /** How many networks or volumes name it. */
  readonly users: number
}

export interface Drivers {
  list(): readonly DriverInfo[]
  /** A driver may be one of networks and of volumes. Throws kind 'not-found'. */
  get(name: string): readonly DriverInfo[]
  /** Loads operators' files as they are now, and returns what has become of them. What runs is not touched. */
  reload(): Promise<readonly DriverInfo[]>
}

/** A host of the cluster. */
export interface HostInfo {
  readonly name: string
  readonly isThis: boolean
  /** `away`: etcd does not answer this host; `unknown`: another host's while this one is away. */
  readonly state: 'ready' | 'away' | 'fenced' | 'unknown'
  readonly address: string
  /** bytes */
  readonly mtu: number
  readonly version: string
  /** ISO 8601 */
  readonly joinedAt: string
  /** How many endpoints it has, on how many networks of the cluster; null while that cannot be told. */
  readonly usage: { readonly networks: number; readonly endpoints: number } | null
}

/** This host's place in its cluster. */
export interface ClusterStatus extends ClusterHealth {
  readonly name: string
  readonly address: string
  /** bytes */
  readonly mtu: number
  readonly hosts: number
  /** What will go wrong unless somebody looks after it, in sentences. */
  readonly warnings: readonly string[]
}

/** A host with endpoints on a network. */
export interface NetworkPeer {
  readonly name: string
  readonly address: string
  readonly endpoints: readonly ClusterEndpoint[]
}

/** How one host finds a network. */
export interface VerifiedRow {
  readonly node: string
  /** bytes; how long packets on the network may be, as the host knows it */
  readonly mtu: number
  /** Entries for endpoints of other hosts that were put right since the host is on the network. */
  readonly repaired: number
  /** What was just put right, in words. */
  readonly faults: readonly string[]
  /** Why the host has not looked, '' when it has. */
  readonly error: string
  readonly paths: readonly VerifiedPath[]
}

/** The way from one host to another, by an endpoint of each. */
export interface VerifiedPath {
  readonly to: string
  /** The name of the container that was asked, and its address. */
  readonly container: string
  readonly address: string
  readonly sent: number
  readonly received: number
  /** milliseconds there and back, the median */
  readonly latency: number | null
  /** bytes of the longest packet that arrives uncut; one more than the network's where longer ones pass */
  readonly mtu: number | null
  /** Why nothing was sent, '' when it was. */
  readonly error: string
}

export interface NetworkVerification {
  readonly network: NetworkRecord
  readonly rows: readonly VerifiedRow[]
  /** Hosts that have not answered in time. */
  readonly silent: readonly string[]
  /** Why other hosts were not asked, '' when they were. */
  readonly warning: string
}

export interface Hosts {
  /** This one first. Throws kind 'unavailable' outside of a cluster. */
  list(): Promise<readonly HostInfo[]>
  /** Null outside of a cluster. */
  status(): ClusterStatus | null
  /** Null for a network of this host alone. */
  peers(network: string): Promise<readonly NetworkPeer[] | null>
  /** Has every host that is on a network of the cluster look how it finds the others there. Throws as `verifyNetwork`. */
  verify(network: string): Promise<NetworkVerification>
}

export interface Engine {
  readonly hosts: Hosts
  readonly drivers: Drivers
  readonly containers: Containers
  readonly execs: Execs
  readonly networks: Networks
  readonly volumes: Volumes
  readonly volumeArchives: VolumeArchives
  readonly images: Images
  info(): SystemInfo
  topology(): Topology
  /** Calls `listener` for each event until the returned function is called. */
  subscribe(listener: (event: EngineEvent) => void): () => void
}
