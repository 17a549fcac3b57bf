import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  joinBindings,
  publishedFor,
  publishedForEach,
  takeBindings,
  withoutBindings,
  withoutPublished,
} from '../../../src/engine/port-set.ts'
import type { PortBinding, PublishedPort } from '../../../src/store/records.ts'

const binding = (
  containerPort: number,
  hostPort: number,
  count = 1,
  more: Partial<PortBinding> = {},
): PortBinding => ({
  protocol: 'tcp',
  containerPort,
  hostAddress: '',
  hostInterface: '',
  sources: [],
  hostPolicy: '',
  hostPort,
  hostPortEnd: hostPort === 0 ? 0 : hostPort + count - 1,
  count,
  ...more,
})

const published = (one: PortBinding, hostAddress: string, hostPort = one.hostPort): PublishedPort => {
  const { hostPortEnd: _, ...rest } = one
  return { ...rest, hostAddress, hostPort, via: 'dnat' }
}

/** Every port on its own: `80>8080` */
const spell = (bindings: readonly PortBinding[]) =>
  bindings
    .flatMap(({ containerPort, hostPort, count, protocol }) =>
      Array.from({ length: count }, (_, at) => `${containerPort + at}>${hostPort + at}/${protocol}`),
    )
    .sort()

describe('bindings as sets', () => {
  const wish = fc
    .tuple(fc.integer({ min: 1, max: 60 }), fc.constantFrom(0, 1000), fc.integer({ min: 1, max: 20 }))
    .map(([port, shift, count]) => binding(port, port + shift, count))

  test('lose exactly what is taken from them, however both are cut', () => {
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 4 }), fc.array(wish, { maxLength: 4 }), (some, others) => {
        const gone = new Set(spell(others))
        expect(spell(withoutBindings(some, others))).toEqual(spell(some).filter((port) => !gone.has(port)))
      }),
    )
  })

  test('are the same ports when joined', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.array(fc.nat(49), { maxLength: 10 }), (count, cuts) => {
        const edges = [...new Set([0, count, ...cuts.filter((cut) => cut < count)])].sort((a, b) => a - b)
        const pieces = edges
          .slice(0, -1)
          .map((from, at) => binding(80 + from, 8080 + from, edges[at + 1]! - from))
        expect(joinBindings(pieces.toReversed())).toEqual([binding(80, 8080, count)])
      }),
    )
  })

  test('stay apart for other clients and at other interfaces', () => {
    const pieces = [
      binding(80, 80),
      binding(81, 81, 1, { sources: ['10.0.0.0/8'] }),
      binding(82, 82, 1, { hostInterface: 'eth1' }),
    ]
    expect(joinBindings(pieces)).toHaveLength(3)
    expect(withoutBindings([binding(81, 81)], pieces)).toEqual([binding(81, 81)])
  })

  test('lose chosen ports whatever order their fields were written in', () => {
    const { hostInterface, sources, ...rest } = binding(80, 0)
    const migrated = { ...rest, hostInterface, sources }
    expect(withoutBindings([binding(80, 0)], [migrated])).toEqual([])
    expect(withoutBindings([binding(80, 0)], [{ ...migrated, count: 2 }])).toEqual([binding(80, 0)])
  })

  test('lose chosen ports one for one', () => {
    const any = binding(80, 0)
    expect(withoutBindings([any, any], [any])).toEqual([any])
  })
})

describe('what is to be published no longer', () => {
  const present = [binding(80, 8080, 10), binding(100, 0), binding(100, 9000, 1, { protocol: 'udp' })]

  test('is one port of a range, the range falling in two', () => {
    expect(takeBindings(present, binding(85, 8085))).toEqual([
      binding(80, 8080, 5),
      binding(86, 8086, 4),
      ...present.slice(1),
    ])
  })

  test('is whatever leads to a port of the container when no host port is named', () => {
    expect(takeBindings(present, binding(100, 0))).toEqual([present[0], present[2]])
    expect(takeBindings(present, binding(80, 0, 10))).toEqual(present.slice(1))
  })

  test('is nothing when the host port is another', () => {
    expect(takeBindings(present, binding(85, 9085))).toEqual(present)
  })
})

describe('the published ports of a binding', () => {
  const range = binding(80, 8080, 10)
  const standing = [
    published(range, '0.0.0.0'),
    published(range, '::'),
    published(binding(80, 0), '0.0.0.0', 61_000),
  ]

  test('are at every place, cut to the binding', () => {
    expect(publishedFor(standing, binding(82, 8082, 2))).toEqual([
      published(binding(82, 8082, 2), '0.0.0.0'),
      published(binding(82, 8082, 2), '::'),
    ])
    expect(publishedFor(standing, binding(82, 8082, 2, { hostAddress: '127.0.0.1' }))).toEqual([])
  })

  test('have the number that was chosen', () => {
    expect(publishedFor(standing, binding(80, 0)).map(({ hostPort }) => hostPort)).toEqual([61_000])
  })

  test('stand for one binding alone, those that were chosen for who left the choice', () => {
    const any = [binding(80, 0), binding(80, 0)]
    const few = binding(80, 7000, 1, { hostPortEnd: 7009 })
    const hosts = [61_001, 7002, 8080, 61_000]
    const chosen = hosts.flatMap((port) =>
      ['0.0.0.0', '::'].map((address) => published(binding(80, port), address)),
    )
    const each = publishedForEach(chosen, [any[0]!, few, binding(80, 8080), any[1]!])
    expect(each.map((ports) => ports.map(({ hostPort }) => hostPort))).toEqual([
      [61_001, 61_001],
      [7002, 7002],
      [8080, 8080],
      [61_000, 61_000],
    ])
  })

  test('leave the rest where it was', () => {
    const left = withoutPublished(standing, publishedFor(standing, binding(82, 8082, 8)))
    expect(left).toEqual([
      published(binding(80, 8080, 2), '0.0.0.0'),
      published(binding(80, 8080, 2), '::'),
      standing[2],
    ])
  })
})
