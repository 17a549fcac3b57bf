import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type RulesetChange, watchForDrift } from '../../../src/firewall/healing.ts'

const change: RulesetChange = { sender: 1, family: 2, table: 'tsnet', chain: '' }

describe('somebody who changes the rules again as soon as they are made good', () => {
  let harm: () => void
  let isFighting: boolean
  let checks: number
  let healing: Disposable

  beforeEach(() => {
    vi.useFakeTimers()
    isFighting = true
    checks = 0
    healing = watchForDrift({
      watch: (listener) => {
        harm = () => listener(change)
        return { [Symbol.dispose]: () => {} }
      },
      isSuspicious: () => true,
      isSilent: false,
      check: async () => {
        checks++
        if (isFighting) harm()
        return true
      },
      log: pino({ level: 'silent' }),
    })
  })
  afterEach(() => {
    healing[Symbol.dispose]()
    vi.useRealTimers()
  })

  it('is answered within a second at first, then at longer and longer intervals', async () => {
    harm()
    await vi.advanceTimersByTimeAsync(4_500)
    expect(checks).toBe(5)
    await vi.advanceTimersByTimeAsync(600_000)
    expect(checks).toBeGreaterThan(10)
    expect(checks).toBeLessThan(25)
  })

  it('is answered at once again after some quiet', async () => {
    harm()
    await vi.advanceTimersByTimeAsync(20_000)
    isFighting = false
    await vi.advanceTimersByTimeAsync(120_000)
    const before = checks
    for (let round = 1; round <= 3; round++) {
      harm()
      await vi.advanceTimersByTimeAsync(1_000)
      expect(checks).toBe(before + round)
    }
  })
})
