import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type {
  Change,
  Cluster,
  ClusterEndpoint,
  ClusterHealth,
  LostHolding,
} from '../../../src/cluster/cluster.ts'
import { cut, endpointOf, eventually, Hosts, networkOf } from '../../helpers/cluster-lab.ts'
import { Etcd, threePlaces } from '../../helpers/etcd.ts'
import { enterThrowAwayNetns } from '../../helpers/firewall-lab.ts'

let hosts: Hosts

beforeAll(async () => {
  await enterThrowAwayNetns()
})
beforeEach(() => {
  hosts = new Hosts()
})
afterEach(async () => {
  await hosts[Symbol.asyncDispose]()
})

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** What is left below a key, with the times it took. */
async function timed<T>(work: Promise<T>): Promise<{ error: unknown; took: number }> {
  const started = performance.now()
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  return { error, took: performance.now() - started }
}

describe('one server that hosts reach by ways of their own', () => {
  let etcd: Etcd
  let round = 0
  const url = (host: string) => `etcd://${host}:2379?ttl=2&prefix=/test${round}`
  const [wayOfA, wayOfB] = ['127.0.1.1', '127.0.1.2']
  const join = (name: string, way: string, patience = 600) => hosts.join(url(way), name, { patience })

  beforeAll(async () => {
    etcd = await Etcd.start({ places: [{ netns: '', address: '0.0.0.0' }] })
  })
  afterAll(async () => {
    await etcd?.stop()
  })
  beforeEach(() => {
    round += 1
  })

  test('a cut shorter than the lease loses nothing, and tells what was announced meanwhile', async () => {
    const [a, b] = await Promise.all([join('a', wayOfA), join('b', wayOfB)])
    const network = await b.createNetwork(() => networkOf('mesh'))
    using seen = b.endpoints(network.id)
    await seen.ready()
    const lost: LostHolding[] = []
    a.onLost((keys) => lost.push(...keys))
    await a.hold('names/n/web', 'a one')
    const endpoint = endpointOf(network, 'a', 'web')
    {
      using _ = cut(wayOfA)
      a.announce(endpoint)
      await sleep(700)
      expect(seen.values.size).toBe(0)
    }
    await eventually(() => expect(seen.values.has(endpoint.id)).toBe(true))
    await eventually(() => expect(a.health().state).toBe('connected'))
    expect(lost).toEqual([])
    expect(await b.hold('names/n/web', 'b one')).toBe('a one')
  })

  test.each(['all', 'answers'] as const)(
    'a cut (%s) longer than the lease frees what the host had, and on its return it hears what it lost',
    async (which) => {
      const [a, b] = await Promise.all([join('a', wayOfA), join('b', wayOfB)])
      const network = await b.createNetwork(() => networkOf('mesh'))
      using seen = b.endpoints(network.id)
      await Promise.all([seen.ready(), b.nodes.ready(), a.nodes.ready()])
      const endpoint = endpointOf(network, 'a', 'web')
      a.announce(endpoint)
      await a.hold('names/n/web', 'a one')
      await a.hold('names/n/db', 'a two')
      await a.settled()
      await eventually(() => expect(a.nodes.values.has('b') && b.nodes.values.has('a')).toBe(true))
      await eventually(() => expect(seen.values.size).toBe(1))
      const states = ['connected']
      const lost: LostHolding[] = []
      a.onHealth(({ state }) => states.at(-1) !== state && states.push(state))
      a.onLost((keys) => lost.push(...keys))
      {
        using _ = cut(wayOfA, which)
        await eventually(() => expect(b.nodes.values.has('a')).toBe(false))
        await eventually(() => expect(seen.values.size).toBe(0))
        expect(await b.hold('names/n/web', 'b one')).toBe('b one')
        expect(a.nodes.values.has('b')).toBe(true)
        await eventually(() => expect(a.health().state).toBe('fenced'))
        expect(a.health().error).toMatch(
          /^the cluster's etcd at 127.0.1.1:2379 cannot be used: no answer within/,
        )
        const { error, took } = await timed(a.hold('names/n/new', 'a three'))
        expect(error).toMatchObject({ kind: 'unavailable', code: 'cluster-away' })
        expect(took).toBeLessThan(3000)
      }
      await eventually(() => expect(a.health().state).toBe('connected'))
      expect(states).toEqual(['connected', 'away', 'fenced', 'connected'])
      expect(lost).toEqual([{ key: 'names/n/web', value: 'a one', holder: 'b' }])
      await eventually(() => expect(b.nodes.values.has('a')).toBe(true))
      await eventually(() => expect([...seen.values.keys()]).toEqual([endpoint.id]))
      expect(await b.hold('names/n/db', 'b two')).toBe('a two')
      expect(await b.hold('names/n/new', 'b three')).toBe('b three')
    },
  )

  test('a compaction while a host is cut off does not keep it from hearing the difference', async () => {
    const [a, b] = await Promise.all([join('a', wayOfA), join('b', wayOfB)])
    const network = await b.createNetwork(() => networkOf('mesh'))
    using seen = a.endpoints(network.id)
    await seen.ready()
    const [stays, goes, comes] = ['stays', 'goes', 'comes'].map((name) => endpointOf(network, 'b', name))
    b.announce(stays!)
    b.announce(goes!)
    await eventually(() => expect(seen.values.size).toBe(2))
    const heard: Change<ClusterEndpoint>[] = []
    seen.subscribe((changes) => heard.push(...changes))
    {
      using _ = cut(wayOfA)
      b.withdraw(goes!)
      b.announce(comes!)
      await b.settled()
      await etcd.compact()
      expect([...seen.values.values()].map(({ containerName }) => containerName)).toEqual(['stays', 'goes'])
      await eventually(() => expect(a.health().state).not.toBe('connected'))
    }
    await eventually(() => expect(heard).toHaveLength(2), 3000)
    expect(heard).toEqual([
      { key: goes!.id, before: goes, value: undefined },
      { key: comes!.id, before: undefined, value: comes },
    ])
  })

  test('a host whose name another installation has taken meanwhile stays out, and says so', async () => {
    const a = await join('a', wayOfA)
    {
      using _ = cut(wayOfA)
      const usurper = await eventually(() => hosts.join(url(wayOfB), 'a', { id: 'another' }))
      expect(usurper.health().state).toBe('connected')
      await eventually(() => expect(a.health().state).toBe('fenced'))
    }
    await eventually(() => expect(a.health().error).toMatch(/^node name a is taken by the host at 192.0.2.1/))
    expect(a.health().state).toBe('fenced')
    await expect(a.hold('names/n/web', 'a one')).rejects.toMatchObject({ code: 'node-name-taken' })
  })

  test('a host joins on its own when etcd was away as it started', async () => {
    const gap = cut(wayOfA)
    const a = await join('a', wayOfA)
    expect(a.health()).toMatchObject({ state: 'away' })
    await expect(a.networks.ready()).rejects.toMatchObject({ kind: 'unavailable', code: 'cluster-away' })
    await expect(a.settled()).resolves.toBeUndefined()
    a.holdLater('names/n/web', 'a one')
    await expect(a.settled()).rejects.toMatchObject({ code: 'cluster-away' })
    gap[Symbol.dispose]()
    await eventually(() => expect(a.health().state).toBe('connected'))
    await a.networks.ready()
    await eventually(async () => expect([...(await a.list('names/n/')).values()]).toEqual(['a one']))
  })

  test.each([
    ['forward', 86_400_000],
    ['back', -86_400_000],
  ])('a clock that is set %s by a day is not noticed by anybody', async (_, step) => {
    const [a, b] = await Promise.all([join('a', wayOfA), join('b', wayOfB)])
    const network = await b.createNetwork(() => networkOf('mesh'))
    using seen = b.endpoints(network.id)
    await seen.ready()
    const states: string[] = []
    for (const host of [a, b]) host.onHealth(({ state }) => states.push(state))
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + step })
    try {
      const endpoint = endpointOf(network, 'a', 'web')
      a.announce(endpoint)
      await eventually(() => expect(seen.values.has(endpoint.id)).toBe(true))
      // longer than the lease
      await sleep(2500)
      expect(await b.hold('names/n/web', 'b one')).toBe('b one')
      expect(await a.hold('names/n/web', 'a one')).toBe('b one')
      expect([...b.nodes.values.keys()].sort()).toEqual(['a', 'b'])
      expect(seen.values.size).toBe(1)
      expect(states.filter((state) => state !== 'connected')).toEqual([])
    } finally {
      vi.useRealTimers()
    }
  })

  test('a lease that an operator revoked is replaced, and everything under it is put again', async () => {
    const a = await join('a', wayOfA)
    const network = await a.createNetwork(() => networkOf('mesh'))
    const endpoint = endpointOf(network, 'a', 'web')
    a.announce(endpoint)
    await a.hold('names/n/web', 'a one')
    await a.settled()
    const [, lease = ''] =
      (await etcd.ctl('lease', 'list')).trim().split('\n').slice(-1)[0]!.match(/(\w+)/) ?? []
    for (const id of (await etcd.ctl('lease', 'list')).match(/^[0-9a-f]{16}$/gm) ?? [lease]) {
      await etcd.ctl('lease', 'revoke', id)
    }
    await eventually(async () => {
      const keys = [...(await etcd.read(`/test${round}/`)).keys()]
      expect(keys).toContain(`/test${round}/nodes/a`)
      expect(keys).toContain(`/test${round}/names/n/web`)
      expect(keys).toContain(`/test${round}/endpoints/${network.id}/${endpoint.id}`)
    })
  })
})

describe('three servers', () => {
  let etcd: Etcd
  let a: Cluster
  let b: Cluster
  let health: ClusterHealth[]

  beforeEach(async () => {
    etcd = await Etcd.start({ places: threePlaces })
    ;[a, b] = (await Promise.all(['a', 'b'].map((name) => hosts.join(etcd.url({ ttl: '2' }), name)))) as [
      Cluster,
      Cluster,
    ]
    health = []
    a.onHealth((now) => health.push(now))
  })
  afterEach(async () => {
    await hosts[Symbol.asyncDispose]()
    await etcd.stop()
  })

  test('a leader that is killed is not missed: calls go on, mirrors lose nothing', async () => {
    const network = await a.createNetwork(() => networkOf('mesh'))
    using seen = b.endpoints(network.id)
    await seen.ready()
    await etcd.kill(await etcd.leader())
    for (let index = 0; index < 20; index += 1) {
      expect(await a.hold(`names/n/${index}`, 'a one')).toBe('a one')
      a.announce(endpointOf(network, 'a', `web${index}`))
    }
    await eventually(() => expect(seen.values.size).toBe(20))
    expect(health.map(({ state }) => state)).not.toContain('fenced')
  })

  test('a leader that is frozen, and closes no connection, is left for the others', async () => {
    const network = await a.createNetwork(() => networkOf('mesh'))
    using seen = b.endpoints(network.id)
    await seen.ready()
    await etcd.freeze(await etcd.leader())
    const endpoint = endpointOf(network, 'a', 'web')
    a.announce(endpoint)
    await eventually(() => expect(seen.values.has(endpoint.id)).toBe(true))
    await eventually(() => expect(a.health()).toMatchObject({ state: 'connected', error: '' }))
    etcd.resumeAll()
  })

  test('all of them killed and started again find every host and all it had', async () => {
    const network = await a.createNetwork(() => networkOf('mesh'))
    using seen = b.endpoints(network.id)
    await Promise.all([seen.ready(), b.networks.ready()])
    await eventually(() => expect(b.networks.values.size).toBe(1))
    const endpoint = endpointOf(network, 'a', 'web')
    a.announce(endpoint)
    expect(await a.hold('names/n/web', 'a one')).toBe('a one')
    await eventually(() => expect(seen.values.size).toBe(1))
    const changes: unknown[] = []
    b.networks.subscribe((some) => changes.push(...some))
    await etcd.killAll()
    const { error, took } = await timed(a.createNetwork(() => networkOf('other')))
    expect(error).toMatchObject({ kind: 'unavailable', code: 'cluster-away' })
    expect((error as Error).message).toMatch(
      /^the cluster's etcd at 127.0.0.1:2379, 127.0.0.2:2379, 127.0.0.3:2379 cannot be used: .*connection refused$/,
    )
    expect(took).toBeLessThan(2000)
    expect([...b.networks.values.keys()]).toEqual([network.id])
    const later = endpointOf(network, 'a', 'later')
    a.announce(later)
    await eventually(() => expect(a.health().state).toBe('fenced'))
    await etcd.launchAll()
    await eventually(() => expect(seen.values.has(later.id)).toBe(true))
    await eventually(() =>
      expect([a, b].map((host) => host.health().state)).toEqual(['connected', 'connected']),
    )
    expect(seen.values.has(endpoint.id)).toBe(true)
    expect(await b.hold('names/n/web', 'b one')).toBe('a one')
    expect(changes).toEqual([])
    await a.createNetwork(() => networkOf('other'))
    await eventually(() => expect(changes).toHaveLength(1))
  })

  test('an etcd that lost its data is not taken for the cluster before the daemon is restarted', async () => {
    const network = await a.createNetwork(() => networkOf('mesh'))
    await eventually(() => expect(b.networks.values.size).toBe(1))
    await etcd.wipe()
    await etcd.launchAll()
    const words = 'its state is not that of the cluster which this host has joined'
    const { error } = await timed(b.put('state/key', 'one'))
    expect((error as Error).message).toContain(words)
    await eventually(() => expect(a.health().error).toContain(words))
    await a.close(true).catch(() => {})
    const restarted = await hosts.join(etcd.url({ ttl: '2' }), 'a')
    await restarted.networks.ready()
    expect(restarted.networks.values.size).toBe(0)
    await eventually(() => expect(b.health().state).toBe('fenced'))
    expect(b.health().error).toContain(words)
    expect([...b.networks.values.keys()]).toEqual([network.id])
  })

  test('an older copy that was restored is not taken for the cluster before the daemon is restarted', async () => {
    await etcd.killAll()
    etcd.keep()
    await etcd.launchAll()
    await eventually(() => expect(a.health().state).toBe('connected'))
    const network = await a.createNetwork(() => networkOf('mesh'))
    for (let index = 0; index < 20; index += 1) await a.put('state/key', `${index}`)
    await eventually(() => expect(a.networks.values.size).toBe(1))
    await etcd.restore()
    await etcd.launchAll()
    const words = 'its state is older than what this host has seen'
    await eventually(() => expect(a.health().error).toContain(words))
    expect([...a.networks.values.keys()]).toEqual([network.id])
    await expect(a.put('state/key', 'new')).rejects.toThrow(words)
    expect((await hosts.join(etcd.url({ ttl: '2' }), 'c')).health().state).toBe('connected')
  })

  test('a lost majority is told as such, and everything goes on when it is back', async () => {
    const leader = await etcd.leader()
    const [one, other] = [0, 1, 2].filter((index) => index !== leader)
    await Promise.all([etcd.kill(leader), etcd.kill(one!)])
    // so long the one that is left believes in its leader
    await sleep(1500)
    const hasty = await hosts.join(etcd.url({ ttl: '2' }), 'hasty', { patience: 1000 })
    const { error, took } = await timed(hasty.put('state/key', 'one'))
    expect(error).toMatchObject({ kind: 'unavailable', code: 'cluster-away' })
    expect((error as Error).message).toContain('no leader: most of its servers are away')
    expect(took).toBeLessThan(4000)
    await etcd.launch(one!)
    await eventually(async () => expect(await a.put('state/key', 'one')).toBe(true))
    await eventually(() => expect(a.health().state).toBe('connected'))
    expect(other).toBeDefined()
  })
})

describe('a server with little room', () => {
  test('is told to be full, keeps the hosts it has, and takes all when there is room again', async () => {
    const etcd = await Etcd.start({ quota: 1 << 20 })
    try {
      const a = await hosts.join(etcd.url({ ttl: '2' }), 'a')
      const network = await a.createNetwork(() => networkOf('mesh'))
      const filling = async () => {
        for (let index = 0; index < 200; index += 1) await a.put(`fill/${index % 2}`, 'x'.repeat(100_000))
      }
      await expect(filling()).rejects.toMatchObject({
        code: 'cluster-away',
        message: expect.stringContaining('its database is full (alarm NOSPACE)'),
      })
      const endpoint = endpointOf(network, 'a', 'web')
      a.announce(endpoint)
      await expect(a.settled()).rejects.toThrow('NOSPACE')
      await sleep(1200)
      expect(a.health()).toMatchObject({ state: 'connected', error: expect.stringContaining('NOSPACE') })
      await a.removeNetwork(network)
      await etcd.compact()
      await etcd.defragment()
      await etcd.ctl('alarm', 'disarm')
      await eventually(() => expect(a.health()).toMatchObject({ state: 'connected', error: '' }))
      await a.createNetwork(() => networkOf('mesh'))
    } finally {
      await etcd.stop()
    }
  })
})
