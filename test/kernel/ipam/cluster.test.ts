import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Cluster } from '../../../src/cluster/cluster.ts'
import { addressKey, blockKey } from '../../../src/cluster/keys.ts'
import { parseAnswer } from '../../../src/ipam/cluster/claims.ts'
import type { HeldBlocks } from '../../../src/ipam/cluster/holdings.ts'
import { type ClusterIpam, createClusterIpam } from '../../../src/ipam/cluster/index.ts'
import { createLogger } from '../../../src/log.ts'
import type { PoolRecord } from '../../../src/store/records.ts'
import { containsIp, parseCidr } from '../../../src/values/cidr.ts'
import { cut, eventually, Hosts, networkOf } from '../../helpers/cluster-lab.ts'
import { Etcd } from '../../helpers/etcd.ts'
import { enterThrowAwayNetns } from '../../helpers/firewall-lab.ts'

/** One host's addresses, with what it keeps beyond its daemon's end. */
interface Host {
  readonly cluster: Cluster
  readonly ipam: ClusterIpam
  readonly kept: Map<string, HeldBlocks>
  /** Endpoints that have lost their addresses. */
  readonly lost: string[]
}

const log = createLogger('silent')
const network = networkOf('mesh')
const small: PoolRecord = { subnet: '10.128.0.0/24', range: '', gateway: '10.128.0.1', auxiliary: {} }
const tiny: PoolRecord = { subnet: '10.128.1.0/29', range: '', gateway: '10.128.1.1', auxiliary: {} }
const ranged: PoolRecord = {
  ...tiny,
  subnet: '10.128.2.0/24',
  range: '10.128.2.128/26',
  gateway: '10.128.2.1',
}
const wide: PoolRecord = { subnet: 'fd00:1::/64', range: '', gateway: 'fd00:1::1', auxiliary: {} }

let etcd: Etcd
let hosts: Hosts
let round = 0
let a: Host
let b: Host

beforeAll(async () => {
  await enterThrowAwayNetns()
  etcd = await Etcd.start({ places: [{ netns: '', address: '0.0.0.0' }] })
})
afterAll(async () => {
  await etcd?.stop()
})
beforeEach(async () => {
  hosts = new Hosts()
  round += 1
  ;[a, b] = await Promise.all([open('a'), open('b')])
})
afterEach(async () => {
  for (const { ipam } of [a, b]) ipam[Symbol.dispose]()
  await hosts[Symbol.asyncDispose]()
})

/** Each host has a way of its own to etcd. */
const ways = { a: '127.0.1.1', b: '127.0.1.2' } as const
const keys = () => etcd.read(`/test${round}/`)
const bare = (address: string) => address.split('/')[0]!

async function open(
  name: 'a' | 'b',
  kept = new Map<string, HeldBlocks>(),
  kind = 'container',
): Promise<Host> {
  const url = `etcd://${ways[name]}:2379?ttl=2&prefix=/test${round}`
  const cluster = await hosts.join(url, name, { patience: 1000 })
  const lost: string[] = []
  const ipam = createClusterIpam({
    cluster,
    log,
    describeOwner: (id) => (id === network.id ? 'network mesh' : `${kind} ${id}`),
    kept: {
      read: (_network, subnet) => kept.get(subnet) ?? {},
      write: (_network, subnet, held) => void (held === null ? kept.delete(subnet) : kept.set(subnet, held)),
    },
    onLost: (endpoint) => lost.push(endpoint),
  })
  cluster.onLost((keys) => void ipam.handleLost(keys))
  for (const pool of [small, tiny, ranged, wide]) await ipam.adopt(network.id, pool, [])
  return { cluster, ipam, kept, lost }
}

async function lease(host: Host, pool: PoolRecord, owner: string, wish = {}): Promise<string> {
  return bare(await host.ipam.lease(pool, owner, wish))
}

describe('dynamic addresses', () => {
  test('come from blocks that are one host’s alone', async () => {
    const owners = Array.from({ length: 40 }, (_, index) => `web${index}`)
    const leased = await Promise.all(owners.map((owner, index) => lease(index % 2 ? a : b, small, owner)))
    expect(new Set(leased).size).toBe(40)
    expect(leased).not.toContain(small.gateway)
    const blocks = [...(await keys())].filter(([key]) => key.includes('/blocks/'))
    expect(blocks.every(([, holder]) => holder === 'a' || holder === 'b')).toBe(true)
    const held = blocks
      .filter(([, holder]) => holder === 'a')
      .map(([key]) => key.split('/').slice(-2).join('/'))
    const ofA = leased.filter((_, index) => index % 2 === 1)
    expect(ofA.every((address) => held.some((block) => containsIp(parseCidr(block), address)))).toBe(true)
  })

  test('are leased while etcd is away, as long as there are any in the blocks of this host', async () => {
    await lease(a, small, 'first')
    using _ = cut(ways.a)
    await expect(lease(a, small, 'second')).resolves.toMatch(/^10\.128\.0\./)
    const all = Promise.all(Array.from({ length: 40 }, (_, index) => lease(a, small, `web${index}`)))
    await expect(all).rejects.toMatchObject({ kind: 'unavailable', code: 'cluster-away' })
  })

  test('go to others when their blocks are empty', async () => {
    const owners = Array.from({ length: 30 }, (_, index) => `web${index}`)
    const leased = await Promise.all(owners.map((owner) => lease(a, small, owner)))
    const count = async () => [...(await keys()).keys()].filter((key) => key.includes('/blocks/')).length
    expect(await count()).toBeGreaterThan(1)
    for (const [index, owner] of owners.entries()) await a.ipam.release(small, owner, leased[index]!)
    await eventually(async () => expect(await count()).toBe(1))
  })

  test('are had from other hosts one by one when all blocks are taken', async () => {
    const first = await lease(a, tiny, 'one')
    // both hosts together take all four blocks of two addresses each
    await Promise.all([lease(a, tiny, 'two'), lease(b, tiny, 'three')])
    await Promise.all([lease(a, tiny, 'four'), lease(b, tiny, 'five')])
    await expect(lease(b, tiny, 'six')).rejects.toMatchObject({ code: 'no-free-address' })
    await a.ipam.release(tiny, 'one', first)
    await expect(lease(b, tiny, 'six')).resolves.toMatch(/^10\.128\.1\./)
  })

  test('come from the range that the user has given, others only when they are asked for', async () => {
    await expect(lease(a, ranged, 'fixed', { address: '10.128.2.5' })).resolves.toBe('10.128.2.5')
    const owners = Array.from({ length: 12 }, (_, index) => `web${index}`)
    const leased = await Promise.all(owners.map((owner) => lease(a, ranged, owner)))
    expect(leased.every((address) => containsIp(parseCidr(ranged.range), address))).toBe(true)
  })

  test('leave nothing behind when their network goes meanwhile', async () => {
    const leasing = Promise.allSettled([lease(a, small, 'web'), lease(a, small, 'db')])
    await a.ipam.releasePool(small)
    await leasing
    await a.cluster.settled()
    expect([...(await keys()).keys()].filter((key) => key.includes('/blocks/'))).toEqual([])
  })

  test('of IPv6 come from blocks as well', async () => {
    const [one, other] = await Promise.all([lease(a, wide, 'web'), lease(b, wide, 'db')])
    expect(one).toMatch(/^fd00:1::/)
    expect(other).not.toBe(one)
  })
})

describe('addresses asked for by name', () => {
  test('take a free block', async () => {
    await expect(lease(a, small, 'web', { address: '10.128.0.77' })).resolves.toBe('10.128.0.77')
    expect(await a.cluster.list(blockKey(network.id, '10.128.0.64/28'))).toEqual(new Map([['', 'a']]))
  })

  test('are left by the host that has their block, which does not give them out meanwhile', async () => {
    await lease(a, small, 'web', { address: '10.128.0.77' })
    await expect(lease(b, small, 'db', { address: '10.128.0.78' })).resolves.toBe('10.128.0.78')
    await expect(lease(a, small, 'other', { address: '10.128.0.78' })).rejects.toThrow(
      'Address already in use: 10.128.0.78 is held by container db on b',
    )
    await b.ipam.release(small, 'db', '10.128.0.78')
    await eventually(() => expect(lease(a, small, 'other', { address: '10.128.0.78' })).resolves.toBeTruthy())
  })

  test('that are in use are refused with their container and its host', async () => {
    await lease(a, small, 'web', { address: '10.128.0.77' })
    await expect(lease(b, small, 'db', { address: '10.128.0.77' })).rejects.toMatchObject({
      kind: 'conflict',
      message: 'Address already in use: 10.128.0.77 is held by container web on a',
    })
    // The answer goes when its host hears that the claim has.
    await eventually(async () =>
      expect([...(await keys()).keys()].filter((key) => key.includes('/addresses/'))).toEqual([]),
    )
  })

  test('that are the network’s own are refused on every host alike', async () => {
    for (const host of [a, b]) {
      await expect(lease(host, small, 'web', { address: '10.128.0.1' })).rejects.toThrow(
        'Address already in use: 10.128.0.1 is held by network mesh as its gateway',
      )
    }
  })

  test('are one host’s when two ask at once', async () => {
    const wishes = [a, b].map((host) => lease(host, small, 'web', { address: '10.128.0.99' }))
    const outcomes = await Promise.allSettled(wishes)
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  test('cannot be had from a host that does not answer, which is said', async () => {
    await lease(a, small, 'web', { address: '10.128.0.77' })
    a.ipam[Symbol.dispose]()
    await expect(lease(b, small, 'db', { address: '10.128.0.78' })).rejects.toThrow(
      /address 10\.128\.0\.78 lies in a block of host a, which has not answered/,
    )
  })
})

describe('after a restart', () => {
  test('blocks, leases and what was left to others are as before', async () => {
    const own = await lease(a, small, 'web', { address: '10.128.0.77' })
    await lease(b, small, 'db', { address: '10.128.0.78' })
    a.ipam[Symbol.dispose]()
    await a.cluster.close(true)
    using _ = cut(ways.a)
    const again = await open('a', a.kept)
    await again.ipam.adopt(network.id, small, [{ owner: 'web', address: own, used: true }])
    await expect(lease(again, small, 'x', { address: own })).rejects.toThrow('is held by container web on a')
    await expect(lease(again, small, 'x', { address: '10.128.0.78' })).rejects.toThrow('container db on b')
    const rest = await Promise.all(Array.from({ length: 14 }, (_, index) => lease(again, small, `x${index}`)))
    expect(rest).not.toContain(own)
    expect(rest).not.toContain('10.128.0.78')
  })

  test('a single address stays its owner’s, even if that is called otherwise now', async () => {
    await lease(a, small, 'web', { address: '10.128.0.77' })
    const own = await lease(b, small, 'db', { address: '10.128.0.78' })
    b.ipam[Symbol.dispose]()
    await b.cluster.close(true)
    const again = await open('b', b.kept, 'renamed')
    await again.ipam.adopt(network.id, small, [{ owner: 'db', address: own, used: true }])
    await eventually(async () => {
      const claims = await a.cluster.list(addressKey(network.id, own))
      expect(claims.get('')).toBe('b db - renamed db')
    })
    expect(again.lost).toEqual([])
    await expect(lease(a, small, 'thief', { address: own })).rejects.toThrow('Address already in use')
    again.ipam[Symbol.dispose]()
  })
})

describe('a host that was away for longer than its lease', () => {
  /** Cuts `a` off until the others have forgotten it. */
  const forget = async (): Promise<Disposable> => {
    const gap = cut(ways.a)
    await eventually(async () => expect([...(await keys()).values()]).not.toContain('a'))
    return gap
  }

  test('keeps what nobody has taken', async () => {
    const own = await lease(a, small, 'web')
    const gap = await forget()
    gap[Symbol.dispose]()
    await eventually(async () => expect([...(await keys()).values()]).toContain('a'))
    await expect(lease(b, small, 'db', { address: own })).rejects.toThrow('is held by container web on a')
    expect(a.lost).toEqual([])
  })

  test('asks the block’s new host for what it uses, and loses what that one has given out', async () => {
    await lease(a, small, 'web', { address: '10.128.0.77' })
    await lease(a, small, 'db', { address: '10.128.0.78' })
    const gap = await forget()
    await lease(b, small, 'thief', { address: '10.128.0.77' })
    gap[Symbol.dispose]()
    await eventually(() => expect(a.lost).toEqual(['web']))
    await eventually(async () => {
      const claims = await b.cluster.list(addressKey(network.id, '10.128.0.78'))
      expect(claims.get('')).toMatch(/^a db - container db$/)
    })
    await expect(lease(b, small, 'x', { address: '10.128.0.78' })).rejects.toThrow('container db on a')
  })

  test('loses a single address that its block’s host has given out meanwhile', async () => {
    await lease(b, small, 'db', { address: '10.128.0.77' })
    await lease(a, small, 'web', { address: '10.128.0.78' })
    const gap = await forget()
    await eventually(() => expect(lease(b, small, 'thief', { address: '10.128.0.78' })).resolves.toBeTruthy())
    gap[Symbol.dispose]()
    await eventually(() => expect(a.lost).toEqual(['web']))
  })
})

test('answers are told from other text', () => {
  expect(parseAnswer('h1 abc granted ')).toEqual({
    node: 'h1',
    question: 'abc',
    verdict: 'granted',
    text: '',
  })
  expect(parseAnswer('h1 abc perhaps ')).toBeUndefined()
})
