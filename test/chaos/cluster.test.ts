import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Cluster, ClusterEndpoint } from '../../src/cluster/cluster.ts'
import type { NetworkRecord } from '../../src/store/records.ts'
import { cut, endpointOf, eventually, Hosts, networkOf } from '../helpers/cluster-lab.ts'
import { Etcd } from '../helpers/etcd.ts'
import { enterThrowAwayNetns } from '../helpers/firewall-lab.ts'

const seconds = Number(process.env['TSNET_CHAOS_SECONDS'] ?? 300)
const names = ['a', 'b', 'c']
const keys = Array.from({ length: 12 }, (_, index) => `names/n/${index}`)
const ways = ['127.0.1.1', '127.0.1.2', '127.0.1.3']

let etcd: Etcd

beforeAll(async () => {
  await enterThrowAwayNetns()
  etcd = await Etcd.start({ places: [{ netns: '', address: '0.0.0.0' }] })
})
afterAll(async () => {
  await etcd?.stop()
})

const any = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!
const attempt = async (work: Promise<unknown>): Promise<void> => void (await work.catch(() => {}))

/** A host that takes and gives back what it can, and knows what it has. */
class Actor {
  readonly held = new Map<string, string>()
  readonly told = new Map<string, ClusterEndpoint>()
  readonly cluster: Cluster
  readonly #network: NetworkRecord
  #turn = 0

  constructor(cluster: Cluster, network: NetworkRecord) {
    this.cluster = cluster
    this.#network = network
    cluster.onLost((lost) => {
      for (const { key } of lost) this.held.delete(key)
    })
  }

  async act(end: number): Promise<void> {
    while (performance.now() < end) {
      await attempt(any([() => this.#take(), () => this.#give(), () => this.#tell(), () => this.#untell()])())
      await sleep(Math.random() * 20)
    }
  }

  async #take(): Promise<void> {
    const key = any(keys)
    const value = `${this.cluster.self.name} ${this.#turn++}`
    if (this.cluster.health().state !== 'connected' && Math.random() < 0.3 && !this.held.has(key)) {
      this.held.set(key, value)
      this.cluster.holdLater(key, value)
      return
    }
    const standing = await this.cluster.hold(key, value)
    if (standing === value) this.held.set(key, value)
    else this.held.delete(key)
  }

  async #give(): Promise<void> {
    const key = any([...this.held.keys(), any(keys)])
    this.held.delete(key)
    this.cluster.release(key)
  }

  async #tell(): Promise<void> {
    const endpoint = endpointOf(this.#network, this.cluster.self.name, `web${this.#turn++}`)
    this.told.set(endpoint.id, endpoint)
    this.cluster.announce(endpoint)
  }

  async #untell(): Promise<void> {
    const endpoint = [...this.told.values()].at(Math.floor(Math.random() * this.told.size))
    if (endpoint === undefined) return
    this.told.delete(endpoint.id)
    this.cluster.withdraw(endpoint)
  }
}

const faults: readonly (() => Promise<void>)[] = [
  async () => {
    using _ = cut(any(ways), any(['all', 'answers']))
    await sleep(Math.random() * 5000)
  },
  async () => {
    await etcd.killAll()
    await sleep(Math.random() * 4000)
    await etcd.launchAll()
  },
  async () => {
    await etcd.freezeAll()
    await sleep(Math.random() * 4000)
    etcd.resumeAll()
  },
  async () => {
    for (const id of (await etcd.ctl('lease', 'list')).match(/^[0-9a-f]{16}$/gm) ?? []) {
      if (Math.random() < 0.5) await etcd.ctl('lease', 'revoke', id)
    }
  },
  () => etcd.compact(),
]

test('whatever befalls etcd and the ways to it, each key has the one holder that believes it, and mirrors are whole', async () => {
  await using hosts = new Hosts()
  const joined = await Promise.all(
    names.map((name, index) => hosts.join(`etcd://${ways[index]}:2379?ttl=2`, name, { patience: 800 })),
  )
  const network = await joined[0]!.createNetwork(() => networkOf('mesh'))
  const actors = joined.map((cluster) => new Actor(cluster, network))
  const mirrors = joined.map((cluster) => cluster.endpoints(network.id))
  const end = performance.now() + seconds * 1000
  const acting = Promise.all(actors.map((actor) => actor.act(end)))
  while (performance.now() < end) {
    await attempt(any(faults)())
    await sleep(Math.random() * 2000)
  }
  await acting
  await eventually(() => {
    for (const { cluster } of actors)
      expect(cluster.health()).toMatchObject({ state: 'connected', error: '' })
  }, 30_000)
  await Promise.all(joined.map((cluster) => cluster.settled()))
  const believed = new Map(actors.flatMap(({ held }) => [...held]))
  await eventually(async () => {
    const there = await joined[0]!.list('names/n/')
    expect(
      new Map([...there].map(([key, value]) => [`names/n/${key}`, value]).sort() as [string, string][]),
    ).toEqual(new Map([...believed].sort()))
  })
  expect(actors.reduce((count, { held }) => count + held.size, 0)).toBe(believed.size)
  const told = new Set(actors.flatMap(({ told: own }) => [...own.keys()]))
  await eventually(() => {
    for (const { values } of mirrors) expect(new Set(values.keys())).toEqual(told)
  })
})
