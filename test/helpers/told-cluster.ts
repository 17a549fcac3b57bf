/** A cluster whose state is what a test says: for drivers, which only listen to it. */
import type { Change, Cluster, ClusterEndpoint, Mirror, NodeRecord } from '../../src/cluster/cluster.ts'
import { type EndpointId, type NetworkId, newId } from '../../src/values/id.ts'

export class ToldMirror<T> implements Mirror<T> {
  readonly values = new Map<string, T>()
  readonly #listeners = new Set<(changes: readonly Change<T>[]) => void>()
  readonly #whole = Promise.withResolvers<void>()

  /** Everything has been told that there was. */
  complete(): this {
    this.#whole.resolve()
    return this
  }

  ready(): Promise<void> {
    return this.#whole.promise
  }

  subscribe(listener: (changes: readonly Change<T>[]) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /** Values that are there now, or gone (undefined). */
  tell(entries: Iterable<readonly [string, T | undefined]>): void {
    const changes = [...entries].map(([key, value]) => {
      const before = this.values.get(key)
      if (value === undefined) this.values.delete(key)
      else this.values.set(key, value)
      return { key, before, value }
    })
    for (const listener of this.#listeners) listener(changes)
  }

  [Symbol.dispose](): void {}
}

export function nodeRecord(name: string, address: string, part: Partial<NodeRecord> = {}): NodeRecord {
  return {
    name,
    id: name,
    address,
    mtu: 1500,
    publicKey: '',
    nextPublicKey: '',
    version: '',
    joinedAt: '2026-01-01T00:00:00.000Z',
    ...part,
  }
}

export class ToldCluster {
  self: NodeRecord
  readonly nodes = new ToldMirror<NodeRecord>().complete()
  readonly #endpoints = new Map<NetworkId, ToldMirror<ClusterEndpoint>>()
  state: 'connected' | 'away' = 'connected'

  constructor(self: NodeRecord, others: readonly NodeRecord[] = []) {
    this.self = self
    this.nodes.tell([self, ...others].map((node) => [node.name, node]))
  }

  endpoints(network: NetworkId): ToldMirror<ClusterEndpoint> {
    const mirror = this.#endpoints.get(network) ?? new ToldMirror<ClusterEndpoint>()
    if (this.state === 'connected') mirror.complete()
    this.#endpoints.set(network, mirror)
    return mirror
  }

  /** What hosts hold. */
  readonly shared = new Map<string, string>()

  async list(prefix: string): Promise<ReadonlyMap<string, string>> {
    const found = [...this.shared].filter(([key]) => key.startsWith(prefix))
    return new Map(found.map(([key, value]) => [key.slice(prefix.length), value]))
  }

  describe(change: Partial<NodeRecord>): void {
    this.self = { ...this.self, ...change }
  }

  health() {
    return { state: this.state, since: '', error: '' }
  }

  /** As a driver takes it. */
  get cluster(): Cluster {
    return this as unknown as Cluster
  }
}

/** The endpoint of a node with that address and hardware address. */
export function clusterEndpoint(
  network: NetworkId,
  node: string,
  part: Partial<ClusterEndpoint>,
): ClusterEndpoint {
  return {
    id: newId<EndpointId>(),
    network,
    node,
    container: '',
    containerName: '',
    names: [],
    address4: '',
    address6: '',
    mac: '',
    ...part,
  }
}
