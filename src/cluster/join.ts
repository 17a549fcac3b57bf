/** A host's membership of a cluster, put together. */
import { errorKind } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { NetworkRecord } from '../store/records.ts'
import type { NetworkId } from '../values/id.ts'
import { endingCertificates, followCertificates } from './certificates.ts'
import type {
  Cluster,
  ClusterEndpoint,
  HostUsage,
  LeaseKeeper,
  Mirror,
  NodeRecord,
  Transfer,
} from './cluster.ts'
import { Etcd } from './etcd.ts'
import { isCompacted } from './failures.ts'
import { endpointKey, networkKey, nodeKey } from './keys.ts'
import { EtcdMirror, endpointCoding, jsonCoding, SharedMirror, textCoding } from './mirror.ts'
import { Networks } from './networks.ts'
import { get, isAbsent, isValue, type Pair, put, readAll, remove } from './requests.ts'
import { Session } from './session.ts'
import type { ClusterUrl } from './url.ts'

export interface JoinOptions {
  readonly url: ClusterUrl
  readonly node: NodeRecord
  readonly log: Logger
  /** milliseconds that a call may take; 3 s unless told */
  readonly patience?: number
  readonly keeper?: LeaseKeeper
}

/**
 * Joins, or when etcd does not answer returns a cluster that is away and joins as soon as it does. Throws kind 'conflict' when
 * another installation has the node's name.
 */
export async function joinCluster({
  url,
  node,
  log,
  patience = 3000,
  keeper,
}: JoinOptions): Promise<Cluster> {
  let session: Session | null = null
  const etcd = await Etcd.load({ url, patience, onTrouble: () => session?.look() })
  session = new Session(etcd, node, log, keeper ?? null)
  try {
    await session.beat()
  } catch (error) {
    if (errorKind(error) === 'conflict') {
      await session.close(true)
      etcd.close()
      throw error
    }
  }
  return new Membership(etcd, session, log, keeper ?? null)
}

class Membership implements Cluster {
  readonly nodes: EtcdMirror<NodeRecord>
  readonly networks: EtcdMirror<NetworkRecord>
  readonly #etcd: Etcd
  readonly #session: Session
  readonly #log: Logger
  readonly #networks: Networks
  readonly #keeper: LeaseKeeper | null
  readonly #endpoints = new Map<NetworkId, SharedMirror<ClusterEndpoint>>()
  readonly #certificates: Disposable

  constructor(etcd: Etcd, session: Session, log: Logger, keeper: LeaseKeeper | null) {
    this.#etcd = etcd
    this.#keeper = keeper
    this.#session = session
    this.#log = log
    this.#networks = new Networks(etcd, session.self.name)
    this.nodes = new EtcdMirror(etcd, nodeKey(''), jsonCoding<NodeRecord>(), log)
    this.networks = new EtcdMirror(etcd, networkKey(''), jsonCoding<NetworkRecord>(), log)
    this.#certificates = followCertificates(etcd.url, (warning) => log.warn(warning))
    this.networks.subscribe((changes) => {
      for (const { key, value } of changes) if (value === undefined) this.#forgetNetwork(key)
    })
  }

  get self(): NodeRecord {
    return this.#session.self
  }

  endpoints(network: NetworkId): Mirror<ClusterEndpoint> {
    const present = this.#endpoints.get(network)
    if (present !== undefined) return present.use()
    const mirror = new EtcdMirror(this.#etcd, endpointKey(network, ''), endpointCoding(network), this.#log)
    const shared = new SharedMirror(mirror, () => this.#endpoints.delete(network))
    this.#endpoints.set(network, shared)
    return shared.use()
  }

  describe(change: Partial<NodeRecord>): void {
    this.#session.describe(change)
  }

  createNetwork(build: (present: readonly NetworkRecord[]) => NetworkRecord): Promise<NetworkRecord> {
    return this.#networks.create(build)
  }

  async removeNetwork(network: NetworkRecord): Promise<void> {
    await this.#networks.remove(network)
  }

  /** Nobody can want anything of it again: its keys would stand there for as long as this host lives. */
  #forgetNetwork(id: string): void {
    this.#session.holdings.forget((key) => key.split('/', 2)[1] === id)
  }

  announce(endpoint: ClusterEndpoint): void {
    this.#keeper?.add(endpoint)
    this.#session.holdings.tell(endpointKey(endpoint.network, endpoint.id), JSON.stringify(endpoint))
  }

  withdraw({ network, id }: Pick<ClusterEndpoint, 'id' | 'network'>): void {
    this.#keeper?.remove(id)
    this.#session.holdings.untell(endpointKey(network, id))
  }

  settled(): Promise<void> {
    return this.#session.holdings.settle()
  }

  hold(key: string, value: string): Promise<string> {
    return this.#session.holdings.hold(key, value)
  }

  holdLater(key: string, value: string): void {
    this.#session.holdings.holdLater(key, value)
  }

  forgo(key: string): void {
    this.#session.holdings.forgo(key)
  }

  release(key: string): void {
    this.#session.holdings.release(key)
  }

  prune(): void {
    this.#session.prune()
  }

  onLost(listener: Parameters<Cluster['onLost']>[0]): void {
    this.#session.holdings.onLost(listener)
  }

  async list(prefix: string): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>()
    await this.#visit(prefix, found, ([key, value]) => found.set(key, value))
    return found
  }

  async usage(): Promise<ReadonlyMap<string, HostUsage>> {
    const hosts = new Map<string, string>()
    await this.#visit(nodeKey(''), hosts, ([name, , lease]) => hosts.set(lease, name), true)
    const found = new Map<string, { networks: Set<string>; endpoints: number }>()
    const count = ([key, , lease]: Pair): void => {
      const host = hosts.get(lease)
      if (host === undefined) return
      const own = found.getOrInsertComputed(host, () => ({ networks: new Set(), endpoints: 0 }))
      own.networks.add(key.slice(0, key.indexOf('/')))
      own.endpoints += 1
    }
    await this.#visit('endpoints/', found, count, true)
    return new Map(
      [...found].map(([host, { networks, endpoints }]) => [host, { networks: networks.size, endpoints }]),
    )
  }

  /** Hands over all pairs; anew, into an empty `into`, when etcd forgets meanwhile what it was asked for. */
  async #visit(
    prefix: string,
    into: { clear(): void },
    visit: (pair: Pair) => void,
    keysOnly = false,
  ): Promise<void> {
    for (;;) {
      into.clear()
      try {
        await readAll(this.#etcd, this.#etcd.key(prefix), (page) => page.forEach(visit), keysOnly)
        return
      } catch (error) {
        if (!isCompacted(error)) throw error
      }
    }
  }

  mirror(prefix: string): Mirror<string> {
    return new EtcdMirror(this.#etcd, prefix, textCoding, this.#log)
  }

  async put(key: string, value: string | undefined, unless?: string): Promise<boolean> {
    const whole = this.#etcd.key(key)
    const success = [value === undefined ? remove(whole) : put(whole, value)]
    const compare = unless === undefined ? [] : [unless === '' ? isAbsent(whole) : isValue(whole, unless)]
    const answer = await this.#etcd.call('txn', { compare, success, failure: [get(whole)] })
    // a call that was repeated has done it the first time
    return answer.succeeded || answer.responses[0]?.response_range.kvs[0]?.value.toString() === value
  }

  async transfer({ expected, held, put: wanted }: Transfer): Promise<boolean> {
    const key = (name: string): Buffer => this.#etcd.key(name)
    const lease = await this.#session.need()
    const compare = [...expected].map(([name, value]) =>
      value === undefined ? isAbsent(key(name)) : isValue(key(name), value),
    )
    const success = [
      ...[...held].map(([name, value]) => put(key(name), value, lease)),
      ...[...wanted].map(([name, value]) =>
        value === undefined ? remove(key(name)) : put(key(name), value),
      ),
    ]
    const [mark, marked] = [...wanted].find(([, value]) => value !== undefined) ?? []
    const failure = mark === undefined ? [] : [get(key(mark))]
    const answer = await this.#etcd.call('txn', { compare, success, failure })
    const isRepeated =
      mark !== undefined && answer.responses[0]?.response_range.kvs[0]?.value.toString() === marked
    const isDone = answer.succeeded || isRepeated
    if (isDone) for (const [name, value] of held) this.#session.holdings.holdLater(name, value)
    return isDone
  }

  health() {
    return this.#session.health
  }

  onHealth(listener: Parameters<Cluster['onHealth']>[0]): void {
    this.#session.onHealth(listener)
  }

  warnings(): string[] {
    return endingCertificates(this.#etcd.url)
  }

  async close(keep: boolean): Promise<void> {
    this.#certificates[Symbol.dispose]()
    try {
      await this.#session.close(keep)
    } finally {
      this.#etcd.close()
    }
  }
}
