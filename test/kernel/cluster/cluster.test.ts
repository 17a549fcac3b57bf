import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type {
  Change,
  Cluster,
  ClusterEndpoint,
  LostHolding,
  NodeRecord,
} from '../../../src/cluster/cluster.ts'
import { nodeKey } from '../../../src/cluster/keys.ts'
import type { NetworkRecord } from '../../../src/store/records.ts'
import { endpointOf, eventually, Hosts, networkOf, nodeOf } from '../../helpers/cluster-lab.ts'
import { Etcd, threePlaces } from '../../helpers/etcd.ts'
import { enterThrowAwayNetns } from '../../helpers/firewall-lab.ts'

let etcd: Etcd
let hosts: Hosts
let a: Cluster
let b: Cluster
let c: Cluster
let round = 0

beforeAll(async () => {
  await enterThrowAwayNetns()
  etcd = await Etcd.start({ places: threePlaces })
})
afterAll(async () => {
  await etcd?.stop()
})

beforeEach(async () => {
  hosts = new Hosts()
  round += 1
  const url = etcd.url({ ttl: '2', prefix: `/test${round}` })
  const joined = await Promise.all(['a', 'b', 'c'].map((name) => hosts.join(url, name)))
  ;[a, b, c] = joined as [Cluster, Cluster, Cluster]
})
afterEach(async () => {
  await hosts[Symbol.asyncDispose]()
})

const everybody = () => [a, b, c]
const shared = () => etcd.read(`/test${round}/`)

describe('hosts', () => {
  test('know each other by what each tells about itself', async () => {
    await a.nodes.ready()
    await eventually(() => expect([...a.nodes.values.keys()].sort()).toEqual(['a', 'b', 'c']))
    expect(a.nodes.values.get('b')).toEqual(nodeOf('b', 'id-b'))
  })

  test('hear of a change of what another tells', async () => {
    await a.nodes.ready()
    const heard: Change<NodeRecord>[] = []
    a.nodes.subscribe((changes) => heard.push(...changes))
    b.describe({ mtu: 9000 })
    await eventually(() => expect(a.nodes.values.get('b')?.mtu).toBe(9000))
    expect(b.self.mtu).toBe(9000)
    expect(heard.at(-1)).toMatchObject({ key: 'b', before: { mtu: 1500 }, value: { mtu: 9000 } })
  })

  test('are forgotten at once when they leave', async () => {
    await a.nodes.ready()
    await eventually(() => expect(a.nodes.values.has('c')).toBe(true))
    await c.close(false)
    await eventually(() => expect(a.nodes.values.has('c')).toBe(false), 1000)
  })

  test('that leave to come back stay in memory, and come back under a new lease', async () => {
    const network = await a.createNetwork(() => networkOf('mesh'))
    const endpoint = endpointOf(network, 'c', 'web')
    c.announce(endpoint)
    await c.settled()
    await c.close(true)
    expect((await shared()).has(`/test${round}/${nodeKey('c')}`)).toBe(true)
    const again = await hosts.join(etcd.url({ ttl: '2', prefix: `/test${round}` }), 'c')
    expect(again.health().state).toBe('connected')
    const seen = a.endpoints(network.id)
    await seen.ready()
    expect([...seen.values.keys()]).toEqual([endpoint.id])
    again.announce(endpoint)
    await again.settled()
    // its first lease ends, and takes nothing with it that the second has taken over
    await new Promise((resolve) => setTimeout(resolve, 3000))
    expect([...seen.values.keys()]).toEqual([endpoint.id])
    expect(a.nodes.values.has('c')).toBe(true)
  })

  test('of another installation are refused when they bring a name that is taken', async () => {
    const url = etcd.url({ ttl: '2', prefix: `/test${round}` })
    const twin = hosts.join(url, 'a', { id: 'another' })
    await expect(twin).rejects.toMatchObject({
      kind: 'conflict',
      code: 'node-name-taken',
      message:
        'node name a is taken by the host at 192.0.2.1: give this one another name, or wait 2 s when that one is gone',
    })
    expect(JSON.parse((await shared()).get(`/test${round}/${nodeKey('a')}`)!)).toMatchObject({ id: 'id-a' })
  })
})

describe('networks', () => {
  test('50 creates of one name at once by three hosts give exactly one', async () => {
    const creates = Array.from({ length: 50 }, (_, index) =>
      everybody()[index % 3]!.createNetwork(() => networkOf('mesh')),
    )
    const results = await Promise.allSettled(creates)
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of results) {
      if (result.status === 'rejected') {
        expect(result.reason).toMatchObject({
          kind: 'conflict',
          message: 'network with name mesh already exists',
        })
      }
    }
    await eventually(() => expect([...c.networks.values.values()].map(({ name }) => name)).toEqual(['mesh']))
  })

  test('that are made at the same time see each other, so that no two take the same pool', async () => {
    const take = (present: readonly NetworkRecord[]) => {
      const taken = present.map((each) => (each as { pool?: number }).pool)
      const pool = [...Array(30).keys()].find((each) => !taken.includes(each))
      return { ...networkOf(`mesh${pool}`), pool } as NetworkRecord
    }
    const made = await Promise.all(
      Array.from({ length: 30 }, (_, index) => everybody()[index % 3]!.createNetwork(take)),
    )
    expect(new Set(made.map((each) => (each as { pool?: number }).pool)).size).toBe(30)
  })

  test('pass on what the builder refuses, and leave nothing behind', async () => {
    const refusal = new Error('no pool is left')
    const made = a.createNetwork(() => {
      throw refusal
    })
    await expect(made).rejects.toBe(refusal)
    expect([...(await shared()).keys()].filter((key) => key.includes('network'))).toEqual([])
  })

  test('stay while another host has an endpoint on them, and go without a trace after that', async () => {
    const network = await a.createNetwork(() => networkOf('mesh'))
    const endpoint = endpointOf(network, 'b', 'web')
    b.announce(endpoint)
    expect(await b.hold(`blocks/${network.id}/10.0.0.0/28`, 'b')).toBe('b')
    await b.settled()
    await expect(a.removeNetwork(network)).rejects.toMatchObject({
      kind: 'forbidden',
      message: 'error while removing network: network mesh has active endpoints on other hosts: web on b',
    })
    b.withdraw(endpoint)
    await b.settled()
    await a.removeNetwork(network)
    await a.removeNetwork(network)
    const left = [...(await shared()).keys()].filter((key) => key.includes(network.id))
    expect(left).toEqual([])
    await a.createNetwork(() => networkOf('mesh'))
  })

  test('that are gone take with them what hosts held there', async () => {
    const network = await a.createNetwork(() => networkOf('mesh'))
    await b.networks.ready()
    await eventually(() => expect(b.networks.values.has(network.id)).toBe(true))
    await b.hold(`names/${network.id}/web`, 'b web')
    await a.removeNetwork(network)
    await eventually(() => expect(b.networks.values.has(network.id)).toBe(false))
    b.describe({ mtu: 1400 })
    await b.settled()
    expect([...(await shared()).keys()].filter((key) => key.includes(network.id))).toEqual([])
  })
})

describe('endpoints', () => {
  test('are heard of by every host that follows their network, and by no other', async () => {
    const [mesh, other] = await Promise.all(
      ['mesh', 'other'].map((name) => a.createNetwork(() => networkOf(name))),
    )
    using seen = b.endpoints(mesh!.id)
    using elsewhere = b.endpoints(other!.id)
    await Promise.all([seen.ready(), elsewhere.ready()])
    const endpoint = endpointOf(mesh!, 'a', 'web')
    a.announce(endpoint)
    await eventually(() => expect(seen.values.get(endpoint.id)).toEqual(endpoint))
    expect(elsewhere.values.size).toBe(0)
    a.withdraw(endpoint)
    a.withdraw(endpoint)
    await eventually(() => expect(seen.values.size).toBe(0))
  })

  test('of one network are one mirror for all that follow it, until the last lets go', async () => {
    const network = await a.createNetwork(() => networkOf('mesh'))
    const first = b.endpoints(network.id)
    const second = b.endpoints(network.id)
    const heard: string[] = []
    first.subscribe(() => heard.push('first'))
    second.subscribe(() => heard.push('second'))
    await first.ready()
    first[Symbol.dispose]()
    first[Symbol.dispose]()
    a.announce(endpointOf(network, 'a', 'web'))
    await eventually(() => expect(second.values.size).toBe(1))
    expect(heard).toEqual(['second'])
    second[Symbol.dispose]()
    a.announce(endpointOf(network, 'a', 'db'))
    await a.settled()
    using third = b.endpoints(network.id)
    await third.ready()
    expect(third.values.size).toBe(2)
    expect(second.values.size).toBe(1)
  })

  test('announced together arrive together', async () => {
    const network = await a.createNetwork(() => networkOf('mesh'))
    using seen = b.endpoints(network.id)
    await seen.ready()
    const batches: number[] = []
    seen.subscribe((changes) => batches.push(changes.length))
    for (let index = 0; index < 250; index += 1) a.announce(endpointOf(network, 'a', `web${index}`))
    await a.settled()
    await eventually(() => expect(seen.values.size).toBe(250))
    expect(Math.max(...batches)).toBeGreaterThanOrEqual(100)
  })

  test('are counted by host, over more than a page of them', async () => {
    const [mesh, other] = await Promise.all(
      ['mesh', 'other'].map((name) => a.createNetwork(() => networkOf(name))),
    )
    for (let index = 0; index < 1200; index += 1) a.announce(endpointOf(mesh!, 'a', `web${index}`))
    b.announce(endpointOf(mesh!, 'b', 'db'))
    b.announce(endpointOf(other!, 'b', 'db'))
    await Promise.all([a.settled(), b.settled()])
    expect(new Map(await c.usage())).toEqual(
      new Map([
        ['a', { networks: 1, endpoints: 1200 }],
        ['b', { networks: 2, endpoints: 2 }],
      ]),
    )
  })

  test('that another listener chokes on still reach the others', async () => {
    const network = await a.createNetwork(() => networkOf('mesh'))
    using seen = b.endpoints(network.id)
    await seen.ready()
    const heard: Change<ClusterEndpoint>[] = []
    seen.subscribe(() => {
      throw new Error('choked')
    })
    seen.subscribe((changes) => heard.push(...changes))
    a.announce(endpointOf(network, 'a', 'web'))
    await eventually(() => expect(heard).toHaveLength(1))
  })
})

describe('claims', () => {
  test('on one key by three hosts are won by one, whom all are told', async () => {
    const claims = everybody().map((host) => host.hold('names/n/web', `${host.self.name} x`))
    const holders = new Set(await Promise.all(claims))
    expect(holders.size).toBe(1)
    expect((await shared()).get(`/test${round}/names/n/web`)).toBe([...holders][0])
  })

  test('are refreshed by their holder, and free again once it gives them back', async () => {
    expect(await a.hold('names/n/web', 'a one')).toBe('a one')
    expect(await a.hold('names/n/web', 'a two')).toBe('a two')
    expect(await b.hold('names/n/web', 'b one')).toBe('a two')
    b.release('names/n/web')
    await b.settled()
    expect(await c.hold('names/n/web', 'c one')).toBe('a two')
    a.release('names/n/web')
    a.release('names/n/web')
    await a.settled()
    expect(await b.hold('names/n/web', 'b one')).toBe('b one')
  })

  test('of a host that crashed are its own again when it is back, whatever they were for', async () => {
    await c.hold('names/n/web', 'c one')
    const again = await hosts.join(etcd.url({ ttl: '2', prefix: `/test${round}` }), 'c')
    expect(await again.hold('names/n/web', 'c two')).toBe('c two')
    expect(await a.hold('names/n/web', 'a one')).toBe('c two')
  })

  test('that follow on their own return are held in the end', async () => {
    for (let turn = 0; turn < 20; turn += 1) {
      await a.hold('names/n/web', 'a one')
      a.release('names/n/web')
      expect(await a.hold('names/n/web', 'a one')).toBe('a one')
    }
    await a.settled()
    expect(await b.hold('names/n/web', 'b one')).toBe('a one')
  })

  test('of a host that cannot wait are made when it can, and told as lost when another was first', async () => {
    await a.hold('names/n/web', 'a one')
    const lost: LostHolding[] = []
    b.onLost((keys) => lost.push(...keys))
    b.holdLater('names/n/web', 'b one')
    b.holdLater('names/n/db', 'b two')
    await b.settled()
    expect(lost).toEqual([{ key: 'names/n/web', value: 'b one', holder: 'a' }])
    expect((await shared()).get(`/test${round}/names/n/db`)).toBe('b two')
  })

  test('by a hundred at once in one host are one', async () => {
    const claims = Array.from({ length: 100 }, () => a.hold('names/n/web', 'a one'))
    expect(new Set(await Promise.all(claims))).toEqual(new Set(['a one']))
    a.release('names/n/web')
    await a.settled()
    expect((await shared()).has(`/test${round}/names/n/web`)).toBe(false)
  })
})

describe('keys under no lease', () => {
  test('are set, compared and removed', async () => {
    expect(await a.put('state/key', 'one')).toBe(true)
    expect(await b.put('state/key', 'two', 'other')).toBe(false)
    expect(await b.put('state/key', 'two', 'one')).toBe(true)
    expect(await b.put('state/key', 'three', '')).toBe(false)
    expect(await b.put('state/new', 'one', '')).toBe(true)
    expect(await a.list('state/')).toEqual(
      new Map([
        ['key', 'two'],
        ['new', 'one'],
      ]),
    )
    expect(await a.put('state/key', undefined, 'one')).toBe(false)
    expect(await a.put('state/key', undefined, 'two')).toBe(true)
    expect([...(await a.list('state/')).keys()]).toEqual(['new'])
  })

  test('are followed as text', async () => {
    using mirror = a.mirror('state/')
    await mirror.ready()
    await b.put('state/key', 'one')
    await b.put('other/key', 'one')
    await eventually(() => expect([...mirror.values]).toEqual([['key', 'one']]))
  })
})
