import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { candidatePorts, freeCandidates } from '../../../src/ports/choose.ts'

const take = (ports: Iterable<number>, count: number) => Iterator.from(ports).take(count).toArray()

describe('free candidates', () => {
  it('begin above the ephemeral ports, go on below them and end among them', () => {
    const all = [...freeCandidates([[32_768, 60_999]], [], 1, 0)]
    expect(all.slice(0, 2)).toEqual([61_000, 61_001])
    expect(all.indexOf(32_767)).toBe(65_535 - 60_999 + 32_767 - 1024)
    expect(all.indexOf(32_768)).toBe(all.indexOf(32_767) + 1)
    expect(new Set(all).size).toBe(65_535 - 1023)
  })

  it('go on where the cursor stands and come round', () => {
    const above = [...freeCandidates([[1024, 65_500]], [], 1, 65_530)]
    expect(above.slice(0, 7)).toEqual([65_530, 65_531, 65_532, 65_533, 65_534, 65_535, 65_501])
    expect(above.indexOf(1024)).toBe(35)
  })

  it('are ephemeral ones where every port is ephemeral', () => {
    expect(take(freeCandidates([[1, 65_535]], [], 1, 0), 2)).toEqual([1024, 1025])
  })

  it('touch ephemeral ports last, reserved ones never, and do not run past the end', () => {
    const span = fc
      .tuple(fc.integer({ min: 1, max: 65_535 }), fc.nat(200))
      .map(([a, n]): [number, number] => [a, Math.min(a + n, 65_535)])
    const wide = fc
      .tuple(fc.integer({ min: 1, max: 65_535 }), fc.nat(40_000))
      .map(([a, n]): [number, number] => [a, Math.min(a + n, 65_535)])
    fc.assert(
      fc.property(
        wide,
        fc.array(span, { maxLength: 5 }),
        fc.integer({ min: 1, max: 300 }),
        fc.nat(70_000),
        (ephemeral, reserved, count, cursor) => {
          let isAmongEphemeral = false
          for (const first of take(freeCandidates([ephemeral], reserved, count, cursor), 50)) {
            const last = first + count - 1
            expect(first >= 1024 && last <= 65_535).toBe(true)
            for (const [from, to] of reserved) expect(last < from || first > to).toBe(true)
            const touches = last >= ephemeral[0] && first <= ephemeral[1]
            expect(touches).toBe(isAmongEphemeral || touches)
            isAmongEphemeral = touches
          }
        },
      ),
    )
  })
})

describe('candidates of a binding', () => {
  const binding = {
    protocol: 'tcp',
    containerPort: 80,
    hostAddress: '',
    hostInterface: '',
    sources: [],
    hostPolicy: '',
    hostPort: 8000,
    hostPortEnd: 8000,
    count: 1,
  } as const

  it('are the one port that was asked for', () => {
    expect([...candidatePorts(binding, 0)]).toEqual([8000])
    expect([...candidatePorts({ ...binding, count: 10, hostPortEnd: 8009 }, 0)]).toEqual([8000])
  })

  it('leave room for the whole count within the offer', () => {
    expect([...candidatePorts({ ...binding, hostPortEnd: 8004, count: 3 }, 0)]).toEqual([8000, 8001, 8002])
  })
})
