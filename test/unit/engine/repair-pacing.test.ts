import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RepairPacing } from '../../../src/engine/repair-pacing.ts'

let pacing: RepairPacing

beforeEach(() => {
  vi.useFakeTimers()
  pacing = new RepairPacing()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Milliseconds of rest after each of so many repairs, every one undone 200 ms after it may be made. */
function fight(rounds: number): number[] {
  return Array.from({ length: rounds }, () => {
    vi.advanceTimersByTime(pacing.rest('veth') + 200)
    pacing.succeeded('veth')
    return pacing.rest('veth')
  })
}

describe('somebody who undoes each repair', () => {
  it('is answered at once at first, then more and more slowly, but never less than once a minute', () => {
    expect(fight(17)).toEqual([...Array(9).fill(0), 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
  })

  it('is answered at once again after some quiet, and others are all the time', () => {
    fight(15)
    expect([pacing.rest('veth') > 0, pacing.rest('other')]).toEqual([true, 0])
    vi.advanceTimersByTime(200_000)
    expect(fight(2)).toEqual([0, 0])
  })
})

describe('a repair that fails', () => {
  const fail = (): number | null => {
    const { pause } = pacing.failed('veth')
    vi.advanceTimersByTime(pause ?? 30_000)
    return pause
  }

  it('is tried again five times at growing intervals, then not before something changes', () => {
    expect(Array.from({ length: 8 }, fail)).toEqual([1000, 2000, 4000, 8000, 16_000, null, null, null])
    expect(pacing.rest('veth')).toBe(0)
  })

  it('has all its attempts again once one was good', () => {
    for (let attempt = 0; attempt < 6; attempt++) fail()
    pacing.succeeded('veth')
    expect(fail()).toBe(1000)
  })
})
