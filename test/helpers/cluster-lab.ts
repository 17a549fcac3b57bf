/** Hosts of a cluster in this process, each with a way to etcd that can be cut alone. */
import { execFileSync } from 'node:child_process'
import { vi } from 'vitest'
import type { Cluster, ClusterEndpoint, LeaseKeeper, NodeRecord } from '../../src/cluster/cluster.ts'
import { joinCluster } from '../../src/cluster/join.ts'
import { parseClusterUrl } from '../../src/cluster/url.ts'
import { createLogger } from '../../src/log.ts'
import type { NetworkRecord } from '../../src/store/records.ts'
import { type EndpointId, type NetworkId, newId } from '../../src/values/id.ts'

const log = createLogger(process.env['TSNET_TEST_LOG'] ? 'debug' : 'silent')

export interface HostOptions {
  readonly id?: string
  readonly patience?: number
  readonly keeper?: LeaseKeeper
}

/** Those who have joined, to be closed together. */
export class Hosts implements AsyncDisposable {
  readonly #joined: Cluster[] = []

  async join(url: string, name: string, { id = `id-${name}`, patience = 3000, keeper }: HostOptions = {}) {
    const options = { node: nodeOf(name, id), log, patience, ...(keeper && { keeper }) }
    const cluster = await joinCluster({ url: parseClusterUrl(url), ...options })
    this.#joined.push(cluster)
    return cluster
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#joined.map((cluster) => cluster.close(false)))
  }
}

export function nodeOf(name: string, id: string): NodeRecord {
  return {
    name,
    id,
    address: '192.0.2.1',
    mtu: 1500,
    publicKey: '',
    nextPublicKey: '',
    version: '0.1.0',
    joinedAt: '2026-01-01T00:00:00.000Z',
  }
}

/** A network with an id of its own; of its other fields the cluster knows nothing. */
export function networkOf(name: string): NetworkRecord {
  return {
    id: newId<NetworkId>(),
    name,
    driver: 'overlay',
    options: {},
    labels: {},
  } as unknown as NetworkRecord
}

export function endpointOf(network: NetworkRecord, node: string, containerName: string): ClusterEndpoint {
  return {
    id: newId<EndpointId>(),
    network: network.id,
    node,
    container: newId(),
    containerName,
    names: [containerName],
    address4: '10.0.0.2/24',
    address6: '',
    mac: '02:42:0a:00:00:02',
  }
}

/** Looks until it holds. */
export async function eventually<T>(look: () => T | Promise<T>, timeout = 15_000): Promise<T> {
  return await vi.waitFor(look, { timeout, interval: 20 })
}

/**
 * Drops what goes to a loopback address, or with `answers` only what comes from it, without a word to either side. etcd listens on
 * all of them, so that each host of a test can have a way of its own.
 */
export function cut(address: string, which: 'all' | 'answers' = 'all'): Disposable {
  const table = `cut-${address.replaceAll('.', '-')}`
  const there = which === 'all' ? `ip daddr ${address} tcp dport 2379 drop` : ''
  const rules = `table inet ${table} {
    chain in { type filter hook input priority 0; ${there}; ip saddr ${address} tcp sport 2379 drop; }
  }`
  execFileSync('nft', ['-f', '-'], { input: rules })
  return { [Symbol.dispose]: () => void execFileSync('nft', ['delete', 'table', 'inet', table]) }
}
