import { createLocalIpam } from '../../src/ipam/local.ts'
import { OffsetPool } from '../../src/ipam/pool.ts'
import type { Case, Contestant } from '../case.ts'
import { timed } from '../request.ts'

/** The addresses of a /8. */
const SIZE = 2 ** 24
const MILLION = 1_000_000
/** Odd, so that its multiples go through all offsets of a power of two in an order that looks like none. */
const STRIDE = 7_368_787
const MEBIBYTE = 2 ** 20

const own = (sample: () => Promise<number>): readonly Contestant[] => [{ name: 'tsnet', sample }]

function fullPool(): OffsetPool {
  const pool = new OffsetPool(SIZE)
  while (pool.take() !== null);
  return pool
}

/** Milliseconds for a million of a /8 in which all are free, or taken. */
async function sampleTake(): Promise<number> {
  const took = await timed(async () => void fullPool())
  return (took * MILLION) / SIZE
}

async function sampleFree(): Promise<number> {
  const pool = fullPool()
  return timed(async () => {
    for (let i = 0; i < MILLION; i++) pool.free((i * STRIDE) % SIZE)
  })
}

/** Each address that is free is the only one. */
async function sampleNearlyFull(): Promise<number> {
  const pool = fullPool()
  return timed(async () => {
    for (let i = 0; i < MILLION; i++) {
      pool.free((i * STRIDE) % SIZE)
      pool.take()
    }
  })
}

async function weighFull(): Promise<number> {
  const before = process.memoryUsage().arrayBuffers
  const pool = fullPool()
  const weight = process.memoryUsage().arrayBuffers - before
  return pool.taken === SIZE ? weight / MEBIBYTE : Number.NaN
}

/** Through the manager, with a holder for each lease, given back in an order that looks like none. */
async function sampleLeases(part: 'lease' | 'release'): Promise<number> {
  const ipam = createLocalIpam({ installationId: '', usedRoutes: () => [], describeOwner: (id) => id })
  const request = { range: '', gateway: '', auxiliary: {}, options: {} }
  const pool = await ipam.requestPool('network', { ...request, family: 4, subnet: '10.0.0.0/8' })
  const owners = Array.from({ length: 1000 }, (_, number) => String(number).padStart(64, '0'))
  const ownerOf = (number: number): string => owners[number % owners.length]!
  const leases: string[] = []
  const leased = await timed(async () => {
    for (let i = 0; i < MILLION; i++) leases.push(await ipam.lease(pool, ownerOf(i), {}))
  })
  const released = await timed(async () => {
    for (let i = 0; i < MILLION; i++) {
      const number = (i * STRIDE) % MILLION
      await ipam.release(pool, ownerOf(number), leases[number]!)
    }
  })
  return part === 'lease' ? leased : released
}

export default {
  name: 'ipam',
  order: 47,
  title: 'Addresses',
  about:
    'In process, times for a million addresses of a /8: 1,000 ms are a million a second. The allocator keeps one bit per ' +
    'address; the manager keeps the holder of each lease beside it and answers with text. Random means an order without pattern.',
  async *rows() {
    const rounds = 3
    yield { title: 'allocate, until the /8 is full', unit: 'ms', rounds, contestants: own(sampleTake) }
    yield { title: 'free, random', unit: 'ms', rounds, contestants: own(sampleFree) }
    yield {
      title: 'free and allocate in a full /8, random',
      unit: 'ms',
      rounds,
      contestants: own(sampleNearlyFull),
    }
    yield { title: 'a full /8', unit: 'MiB', rounds, contestants: own(weighFull) }
    yield { title: 'lease', unit: 'ms', rounds, contestants: own(() => sampleLeases('lease')) }
    yield { title: 'release, random', unit: 'ms', rounds, contestants: own(() => sampleLeases('release')) }
  },
} satisfies Case
