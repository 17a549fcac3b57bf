import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Cluster } from '../../../src/cluster/cluster.ts'
import type { HeldBlocks } from '../../../src/ipam/cluster/holdings.ts'
import { type ClusterIpam, createClusterIpam } from '../../../src/ipam/cluster/index.ts'
import { createLogger } from '../../../src/log.ts'
import type { PoolRecord } from '../../../src/store/records.ts'
import { eventually, Hosts, networkOf } from '../../helpers/cluster-lab.ts'
import { Etcd } from '../../helpers/etcd.ts'
import { enterThrowAwayNetns } from '../../helpers/firewall-lab.ts'

const log = createLogger('silent')
const network = networkOf('mesh')
/** Eight blocks of four addresses, so that hosts have to ask each other. */
const pool: PoolRecord = { subnet: '10.128.0.0/27', range: '', gateway: '10.128.0.1', auxiliary: {} }

let etcd: Etcd
let round = 0

beforeAll(async () => {
  await enterThrowAwayNetns()
  etcd = await Etcd.start()
})
afterAll(async () => {
  await etcd?.stop()
})

/** A host whose containers go on while its daemon is away. */
class Host {
  readonly name: string
  /** Addresses by their owners. */
  readonly leased = new Map<string, string>()
  readonly #kept = new Map<string, HeldBlocks>()
  #ipam: ClusterIpam | null = null
  #cluster: Cluster | null = null

  constructor(name: string) {
    this.name = name
  }

  get isThere(): boolean {
    return this.#cluster !== null
  }

  async join(hosts: Hosts): Promise<void> {
    const cluster = await hosts.join(etcd.url({ prefix: `/test${round}` }), this.name)
    this.#cluster = cluster
    const ipam = createClusterIpam({
      cluster,
      log,
      describeOwner: (id) => `container ${id}`,
      kept: {
        read: (_network, subnet) => this.#kept.get(subnet) ?? {},
        write: (_network, subnet, held) => void this.#kept.set(subnet, held ?? {}),
      },
      onLost: (endpoint) => this.leased.delete(endpoint),
    })
    this.#ipam = ipam
    cluster.onLost((lost) => void ipam.handleLost(lost))
    const recorded = [...this.leased].map(([owner, address]) => ({ owner, address, used: true }))
    await ipam.adopt(network.id, pool, recorded)
    await cluster.settled()
  }

  /** What stands under its lease is gone at once, as when that has run out. */
  async die(): Promise<void> {
    this.#ipam?.[Symbol.dispose]()
    await this.#cluster?.close(false)
    this.#ipam = null
    this.#cluster = null
  }

  /** Returns '' when there is none to be had. */
  async lease(owner: string, wish: { address?: string }): Promise<string> {
    try {
      const address = (await this.#ipam!.lease(pool, owner, wish)).split('/')[0]!
      this.leased.set(owner, address)
      return address
    } catch (error) {
      expect(['no-free-address', 'address-in-use', 'address-not-left']).toContain(
        (error as { code: string }).code,
      )
      return ''
    }
  }

  async release(owner: string): Promise<void> {
    const address = this.leased.get(owner)
    this.leased.delete(owner)
    if (address !== undefined) await this.#ipam!.release(pool, owner, address)
  }
}

type Step =
  | { readonly kind: 'lease' | 'release' | 'die' | 'join'; readonly host: number }
  | { readonly kind: 'ask'; readonly host: number; readonly address: number }

const host = fc.integer({ min: 0, max: 2 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('lease' as const), host }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      host,
      address: fc.integer({ min: 2, max: 30 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('release' as const), host }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('die' as const), host }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('join' as const), host }) },
)

/** Addresses that two hosts of those that are there have. */
function shared(hosts: readonly Host[]): string[] {
  const all = hosts.filter(({ isThere }) => isThere).flatMap(({ leased }) => [...leased.values()])
  return all.filter((address, index) => all.indexOf(address) !== index)
}

async function play(steps: readonly Step[]): Promise<void> {
  round += 1
  await using members = new Hosts()
  const hosts = ['a', 'b', 'c'].map((name) => new Host(name))
  await Promise.all(hosts.map((one) => one.join(members)))
  for (const [index, one] of steps.entries()) {
    const actor = hosts[one.host]!
    if (one.kind === 'join') {
      if (!actor.isThere) await actor.join(members)
      // What became another's meanwhile is lost to it.
      await eventually(() => expect(shared(hosts)).toEqual([]))
    } else if (!actor.isThere) continue
    else if (one.kind === 'die') await actor.die()
    else if (one.kind === 'release') await actor.release([...actor.leased.keys()][0] ?? '')
    else
      await actor.lease(
        `${actor.name}${index}`,
        one.kind === 'ask' ? { address: `10.128.0.${one.address}` } : {},
      )
    expect(shared(hosts)).toEqual([])
  }
  for (const one of hosts) if (!one.isThere) await one.join(members)
  await eventually(() => expect(shared(hosts)).toEqual([]))
  for (const one of hosts) await one.die()
}

test('an address has one owner, whichever hosts die and return', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 30 }), play), {
    numRuns: Number(process.env['TSNET_CHAOS_OWNERS'] ?? 8),
    endOnFailure: true,
  })
}, 280_000)
