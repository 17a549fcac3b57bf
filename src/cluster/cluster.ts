/**
 * What the hosts of a cluster share. It lives in etcd below one prefix (`keys.ts`); every host mirrors what concerns it, so
 * that reading never asks anybody, and what is a host's own stands under its lease and goes with it.
 */
import type { NetworkRecord } from '../store/records.ts'
import type { EndpointId, NetworkId } from '../values/id.ts'

/** A host, as it tells the others about itself under its lease. */
export interface NodeRecord {
  /** Unique in the cluster. */
  readonly name: string
  /** The installation's id: two daemons of one name are told apart by it. */
  readonly id: string
  /** The underlay address at which the others reach it, IPv4 or IPv6. */
  readonly address: string
  /** bytes; that of the underlay's way to the others */
  readonly mtu: number
  /** WireGuard's, base64; '' where the kernel has none. The next one is announced before it is in force. */
  readonly publicKey: string
  readonly nextPublicKey: string
  readonly version: string
  /** ISO 8601 */
  readonly joinedAt: string
}

/** An endpoint on a network of the cluster, as its host tells the others under its lease. */
export interface ClusterEndpoint {
  readonly id: EndpointId
  readonly network: NetworkId
  /** The host's name. */
  readonly node: string
  /** The container's id and name. */
  readonly container: string
  readonly containerName: string
  /** All names under which it is found on the network. */
  readonly names: readonly string[]
  /** With prefix length, '' for none. */
  readonly address4: string
  readonly address6: string
  readonly mac: string
}

export interface Change<T> {
  /** Below the mirror's prefix. */
  readonly key: string
  readonly before: T | undefined
  /** Undefined when the key is gone. */
  readonly value: T | undefined
}

/**
 * Part of the shared state as it was last heard, followed by a watch. After a gap (a cut, a compaction) it is read anew and
 * the difference told as changes. What was heard stays while etcd is away.
 */
export interface Mirror<T> extends Disposable {
  readonly values: ReadonlyMap<string, T>
  /** Resolves when it has been whole once; rejects with kind 'unavailable' when etcd does not answer in time. */
  ready(): Promise<void>
  /** Called with changes in their order, in as large batches as they arrive. What throws is logged. */
  subscribe(listener: (changes: readonly Change<T>[]) => void): Disposable
}

export interface ClusterHealth {
  /** `fenced`: the lease ran out while the host was away; it stays so until all that it held is claimed anew. */
  readonly state: 'connected' | 'away' | 'fenced'
  /** ISO 8601 */
  readonly since: string
  /** What etcd or the way to it answered last; '' while connected, unless it takes no more (its database is full). */
  readonly error: string
}

export interface HostUsage {
  /** On which the host has endpoints. */
  readonly networks: number
  readonly endpoints: number
}

/** A key under this host's lease that another host has taken while this one was away. */
export interface LostHolding {
  readonly key: string
  readonly value: string
  /** The host that has it now. */
  readonly holder: string
}

/** Something that outlives this daemon, and keeps the lease alive when it is gone. */
export interface LeaseKeeper {
  /** The lease of the daemon before this one; '' for none that would be as long. */
  readonly former: string
  /** This host's lease from now on. */
  take(lease: string): void
  /** What stands under it, told again when it has changed. */
  add(endpoint: ClusterEndpoint): void
  remove(endpoint: EndpointId): void
}

/** What changes hands, if all stands as it is thought to. */
export interface Transfer {
  /** The value that each of these keys must have; undefined for those that must not be there. */
  readonly expected: ReadonlyMap<string, string | undefined>
  /** What this host holds from then on, whoever held it before; values as for `hold`. */
  readonly held: ReadonlyMap<string, string>
  /** Under no lease; undefined for keys that go. By the first that stays a repeated call knows that it was done before. */
  readonly put: ReadonlyMap<string, string | undefined>
}

/**
 * Every call that needs etcd throws kind 'unavailable', code 'cluster-away', within its deadline when etcd cannot answer, and
 * says what is missing. Changes of the world wait for nothing else.
 */
export interface Cluster {
  /** What this host tells about itself. */
  readonly self: NodeRecord
  /** By name. */
  readonly nodes: Mirror<NodeRecord>
  /** By id: networks that every host can use, whether or not it does. */
  readonly networks: Mirror<NetworkRecord>
  /** By id; one watch for all that follow a network, until the last has disposed of it. */
  endpoints(network: NetworkId): Mirror<ClusterEndpoint>
  /** Changes what this host tells about itself. */
  describe(change: Partial<Pick<NodeRecord, 'address' | 'mtu' | 'publicKey' | 'nextPublicKey'>>): void

  /**
   * Makes a network once in the whole cluster: `build` turns all that are there into the one that is wanted (throwing what it
   * refuses), and is called again with the newer ones when somebody was quicker. Throws kind 'conflict' for a taken name or
   * identifier.
   */
  createNetwork(build: (present: readonly NetworkRecord[]) => NetworkRecord): Promise<NetworkRecord>
  /** Throws kind 'forbidden' with the endpoints that other hosts have on it. Safe to repeat. */
  removeNetwork(network: NetworkRecord): Promise<void>

  /** Tells the others of an endpoint of this host's; at once where etcd answers, else as soon as it does. */
  announce(endpoint: ClusterEndpoint): void
  /** Safe to repeat. */
  withdraw(endpoint: Pick<ClusterEndpoint, 'id' | 'network'>): void
  /** Resolves when what was announced so far has arrived; rejects as calls do. */
  settled(): Promise<void>

  /**
   * Takes a key for this host alone, under its lease; one that it has already is refreshed with `value`. Returns what stands
   * there: `value` when it was taken, else the other holder's. Values begin with the name of the host that they stand for: what
   * names this host is its own, from before it was restarted.
   */
  hold(key: string, value: string): Promise<string>
  /** As `hold` for a host that cannot wait: claimed when etcd is back, and told to `onLost` when that fails. */
  holdLater(key: string, value: string): void
  /** Leaves a held key as it stands, and does not claim it again when the lease is lost: another host may have taken it over. */
  forgo(key: string): void
  /** Gives a held key back; safe to repeat. While etcd is away it goes when etcd is back. */
  release(key: string): void
  /**
   * All that this host wants is announced and held: what stands besides under the lease of the daemon before this one goes, as soon as
   * etcd answers.
   */
  prune(): void
  /** Called when keys under this host's lease turned out to be another's after its lease was lost. */
  onLost(listener: (lost: readonly LostHolding[]) => void): void
  /** What each host has, by its name, read from a majority; nothing of hosts that have no endpoints. */
  usage(): Promise<ReadonlyMap<string, HostUsage>>
  /** Every key below a prefix (which ends with a slash), without the prefix, with its value, read from a majority. */
  list(prefix: string): Promise<ReadonlyMap<string, string>>
  /** Follows the keys below a prefix, which ends with a slash, values as text. */
  mirror(prefix: string): Mirror<string>
  /** Sets or removes (undefined) a key for the whole cluster, under no lease; `unless` refuses when the key has another value, '' when it has one. */
  put(key: string, value: string | undefined, unless?: string): Promise<boolean>
  /**
   * All of it or nothing; returns whether. The same one may be tried again. Throws with code 'cluster-away' when it is not known what has
   * become of it.
   */
  transfer(transfer: Transfer): Promise<boolean>

  health(): ClusterHealth
  /** What will go wrong unless somebody looks after it, in sentences. */
  warnings(): readonly string[]
  onHealth(listener: (health: ClusterHealth) => void): void
  /** Gives up the lease, so that the others forget this host at once; with `keep` they wait for its end, for it will be back. */
  close(keep: boolean): Promise<void>
}
