/**
 * Many hosts that there are only in etcd: `node bench/cluster-crowd.ts ETCD-URL`, where etcd can be reached. Writes what their daemons
 * would, under one lease.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, ClusterEndpoint, NodeRecord } from '../src/cluster/cluster.ts'
import { joinCluster } from '../src/cluster/join.ts'
import { nodeKey } from '../src/cluster/keys.ts'
import { parseClusterUrl } from '../src/cluster/url.ts'
import { createLogger } from '../src/log.ts'
import { type EndpointId, type NetworkId, newId } from '../src/values/id.ts'

export interface CrowdFill {
  readonly network: string
  readonly hosts: number
  /** endpoints of each host on the network */
  readonly each: number
  /** A number below 256 that no other network has: endpoints are 10.SECOND.0.0 and up. */
  readonly second: number
}

export type CrowdQuestion =
  | { readonly fill: CrowdFill }
  /** So many endpoints of the first network go to another host each second, for so many seconds. */
  | { readonly change: { readonly aSecond: number; readonly seconds: number } }

/** Milliseconds since 1970 at which each hardware address was told to be elsewhere. */
export type CrowdChanges = readonly (readonly [mac: string, at: number])[]

/** So many changes are written together: a hundred such moments a second. */
const TICK_MS = 10

const hex = (number: number): string => number.toString(16).padStart(2, '0')
const hostName = (index: number): string => `crowd${index}`
const addressOfHost = (index: number): string => `10.99.${16 + (index >> 8)}.${index & 255}`

function endpointOf({ network, hosts, second }: CrowdFill, index: number): ClusterEndpoint {
  const bytes = [index >> 16, (index >> 8) & 255, index & 255] as const
  return {
    id: newId<EndpointId>(),
    network: network as NetworkId,
    node: hostName(index % hosts),
    container: newId(),
    containerName: `web${index}`,
    names: [`web${index}`],
    address4: `10.${second + bytes[0]}.${bytes[1]}.${bytes[2]}/12`,
    address6: '',
    mac: `02:${hex(second)}:cc:${bytes.map(hex).join(':')}`,
  }
}

async function tellHosts(cluster: Cluster, count: number): Promise<void> {
  const records = Array.from({ length: count }, (_, index): NodeRecord => {
    const name = hostName(index)
    return { ...cluster.self, name, id: name, address: addressOfHost(index) }
  })
  await Promise.all(records.map((record) => cluster.put(nodeKey(record.name), JSON.stringify(record))))
}

async function change(
  cluster: Cluster,
  told: ClusterEndpoint[],
  hosts: number,
  aSecond: number,
  seconds: number,
) {
  const changes: [string, number][] = []
  const each = (aSecond * TICK_MS) / 1000
  const began = performance.now()
  for (let done = 0; done < aSecond * seconds; done += each) {
    await sleep(Math.max(0, began + (done / aSecond) * 1000 - performance.now()))
    for (let index = done; index < done + each; index++) {
      const endpoint = told[index]!
      const node = hostName((index + 1) % hosts)
      cluster.announce({ ...endpoint, node })
      changes.push([endpoint.mac, performance.timeOrigin + performance.now()])
    }
  }
  return changes
}

if (import.meta.main) {
  const [url = ''] = process.argv.slice(2)
  const node: NodeRecord = {
    ...{
      name: 'crowd',
      id: 'crowd',
      address: '10.99.15.1',
      mtu: 1500,
      publicKey: '',
      nextPublicKey: '',
    },
    ...{ version: '', joinedAt: new Date().toISOString() },
  }
  const log = createLogger('silent')
  const cluster = await joinCluster({ url: parseClusterUrl(url), node, log, patience: 20_000 })
  let first: { hosts: number; told: ClusterEndpoint[] } | undefined
  const answer = async (question: CrowdQuestion): Promise<unknown> => {
    if ('change' in question) {
      const { aSecond, seconds } = question.change
      return await change(cluster, first!.told, first!.hosts, aSecond, seconds)
    }
    const { hosts, each } = question.fill
    const told = Array.from({ length: hosts * each }, (_, index) => endpointOf(question.fill, index))
    if (first === undefined) await tellHosts(cluster, hosts)
    first ??= { hosts, told }
    for (const endpoint of told) cluster.announce(endpoint)
    await cluster.settled()
    return told.length
  }
  process.on('message', async (question: CrowdQuestion) => process.send?.(await answer(question)))
  process.on('disconnect', () => process.exit(0))
  process.send?.('ready')
}
