import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { OffsetPool } from '../../../src/ipam/pool.ts'

/** What an offset pool is, written as simply as possible. */
class Model {
  readonly taken = new Set<number>()
  next = 0
  readonly size: number
  constructor(size: number) {
    this.size = size
  }
  take(): number | null {
    for (let i = 0; i < this.size; i++) {
      const offset = (this.next + i) % this.size
      if (this.taken.has(offset)) continue
      this.taken.add(offset)
      this.next = (offset + 1) % this.size
      return offset
    }
    return null
  }
}

describe('any order of calls', () => {
  test('gives the same answers as a set and a counter', () => {
    const sizes = fc.constantFrom(1, 2, 31, 32, 33, 256, 1000)
    const calls = fc.array(fc.tuple(fc.constantFrom('take', 'takeAt', 'free'), fc.nat()), { maxLength: 400 })
    fc.assert(
      fc.property(sizes, calls, (size, list) => {
        const pool = new OffsetPool(size)
        const model = new Model(size)
        for (const [call, number] of list) {
          const offset = number % size
          if (call === 'take') expect(pool.take()).toBe(model.take())
          else if (call === 'free') {
            pool.free(offset)
            model.taken.delete(offset)
          } else {
            expect(pool.takeAt(offset)).toBe(!model.taken.has(offset))
            model.taken.add(offset)
          }
          expect(pool.taken).toBe(model.taken.size)
        }
      }),
    )
  })
})

describe('exhaustion', () => {
  test.each([1, 32, 100, 32_768, 70_000])('a pool of %i gives each offset once, then nothing', (size) => {
    const pool = new OffsetPool(size)
    const seen = new Set(Array.from({ length: size }, () => pool.take()))
    expect(seen.size).toBe(size)
    expect(seen.has(null)).toBe(false)
    expect(Math.max(...([...seen].slice(-10) as number[]))).toBe(size - 1)
    expect(pool.take()).toBeNull()
  })

  test('the only free offset of a full pool is found wherever it is', () => {
    const pool = new OffsetPool(70_000)
    while (pool.take() !== null);
    for (const offset of [0, 31, 32, 32_767, 32_768, 65_536, 69_999]) {
      pool.free(offset)
      expect(pool.take()).toBe(offset)
    }
  })
})

test('offsets rise after the last one given out, also when lower ones are free again', () => {
  const pool = new OffsetPool(4)
  expect([pool.take(), pool.take()]).toEqual([0, 1])
  pool.free(0)
  expect([pool.take(), pool.take(), pool.take(), pool.take()]).toEqual([2, 3, 0, null])
})

describe('a /8', () => {
  const size = 2 ** 24

  test('held entirely needs no more than 3 MB', () => {
    const before = process.memoryUsage().arrayBuffers
    const pool = new OffsetPool(size)
    for (let i = 0; i < size; i++) pool.take()
    expect(pool.taken).toBe(size)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThanOrEqual(3e6)
  })

  test('takes and frees more than a million offsets a second while nearly full', () => {
    const pool = new OffsetPool(size)
    for (let i = 0; i < size - 1; i++) pool.take()
    // processor time: the machine may be busy with something else
    const started = process.cpuUsage()
    for (let i = 0; i < 500_000; i++) {
      pool.free((i * 7919) % size)
      pool.take()
    }
    const { user, system } = process.cpuUsage(started)
    expect((user + system) / 500_000).toBeLessThan(1)
  })
})
