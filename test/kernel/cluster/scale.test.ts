import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Cluster, ClusterEndpoint } from '../../../src/cluster/cluster.ts'
import type { EndpointId } from '../../../src/values/id.ts'
import { endpointOf, eventually, Hosts, networkOf } from '../../helpers/cluster-lab.ts'
import { Etcd } from '../../helpers/etcd.ts'
import { enterThrowAwayNetns } from '../../helpers/firewall-lab.ts'

let etcd: Etcd
let hosts: Hosts
let a: Cluster
let b: Cluster

beforeAll(async () => {
  await enterThrowAwayNetns()
  etcd = await Etcd.start()
})
afterAll(async () => {
  await etcd?.stop()
})
beforeEach(async () => {
  hosts = new Hosts()
  const joined = await Promise.all(
    ['a', 'b'].map((name) => hosts.join(etcd.url(), name, { patience: 10_000 })),
  )
  ;[a, b] = joined as [Cluster, Cluster]
})
afterEach(async () => {
  await hosts[Symbol.asyncDispose]()
})

async function announced(host: Cluster, count: number): Promise<ClusterEndpoint[]> {
  const network = await host.createNetwork(() => networkOf(`mesh${count}`))
  const endpoints = Array.from({ length: count }, (_, index) =>
    endpointOf(network, host.self.name, `web${index}`),
  )
  for (const endpoint of endpoints) host.announce(endpoint)
  await host.settled()
  return endpoints
}

test('a thousand changes in a second are heard in order, and the last of them soon after it was made', async () => {
  const [first] = await announced(a, 1)
  using seen = b.endpoints(first!.network)
  await seen.ready()
  const heard = new Map<string, number[]>()
  seen.subscribe((changes) => {
    for (const { key, value } of changes) heard.set(key, [...(heard.get(key) ?? []), turnOf(value!)])
  })
  const ids = Array.from({ length: 20 }, (_, index) => `${first!.id}${index}` as EndpointId)
  const started = performance.now()
  for (let turn = 0; turn < 50; turn += 1) {
    for (const id of ids) a.announce({ ...first!, id, address4: `10.0.0.${turn}/16` })
    await sleep(Math.max(0, started + (turn + 1) * 20 - performance.now()))
  }
  await eventually(() => expect(ids.map((id) => heard.get(id)?.at(-1))).toEqual(ids.map(() => 49)), 5000)
  for (const turns of heard.values()) expect(turns).toEqual(turns.toSorted((one, other) => one - other))
})

const turnOf = ({ address4 }: ClusterEndpoint): number => Number(/(\d+)\/16/.exec(address4)?.[1])

test('50,000 endpoints are announced by one host and known to another that starts then', async () => {
  const endpoints = await announced(a, 50_000)
  const late = await hosts.join(etcd.url(), 'late', { patience: 10_000 })
  using seen = late.endpoints(endpoints[0]!.network)
  await eventually(() => expect(seen.values.size).toBe(50_000), 30_000)
  expect(seen.values.get(endpoints[49_999]!.id)).toEqual(endpoints[49_999])
})
