import { type Answer, decode, encode, type Packet } from 'dns-packet'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressesIn, aged, isFailure, lifetime, withoutOpt } from '../../../src/dns/answer.ts'
import { AnswerCache } from '../../../src/dns/cache.ts'
import { recordsOf } from '../../../src/dns/wire.ts'

const soa = (ttl: number, minimum: number): Answer => ({
  type: 'SOA',
  name: 'example',
  ttl,
  data: { mname: 'ns.example', rname: 'root.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
})
const opt = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: 1232,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  options: [],
}

function response(part: Partial<Packet> = {}): Buffer {
  return encode({
    type: 'response',
    id: 1,
    questions: [{ name: 'web.example', type: 'A' }],
    answers: [{ type: 'A', name: 'web.example', ttl: 300, data: '192.0.2.1' }],
    ...part,
  })
}

describe('how long an answer is kept', () => {
  test('the shortest lived record decides', () => {
    const answers: Answer[] = [
      { type: 'CNAME', name: 'web.example', ttl: 20, data: 'a.example' },
      { type: 'A', name: 'a.example', ttl: 300, data: '192.0.2.1' },
    ]
    expect(lifetime(response({ answers }))).toBe(20)
  })

  test('an hour is the longest, also where the record says a year', () => {
    const answers: Answer[] = [{ type: 'A', name: 'web.example', ttl: 31_536_000, data: '192.0.2.1' }]
    expect(lifetime(response({ answers }))).toBe(3600)
  })

  test('a missing name is kept as long as its zone says, five minutes at most', () => {
    const missing = (authorities: Answer[]) => lifetime(response({ flags: 3, answers: [], authorities }))
    expect(missing([soa(900, 60)])).toBe(60)
    expect(missing([soa(30, 60)])).toBe(30)
    expect(missing([soa(90_000, 90_000)])).toBe(300)
    expect(missing([])).toBe(0)
  })

  test('failures, truncated answers and a TTL of zero are not kept', () => {
    expect(lifetime(response({ flags: 2 }))).toBe(0)
    expect(lifetime(response({ flags: 0x0200 }))).toBe(0)
    expect(
      lifetime(response({ answers: [{ type: 'A', name: 'web.example', ttl: 0, data: '192.0.2.1' }] })),
    ).toBe(0)
  })
})

test('SERVFAIL, NOTIMP and REFUSED send the query to the next server, NXDOMAIN does not', () => {
  expect([2, 4, 5, 3, 0].map((code) => isFailure(response({ flags: code })))).toEqual([
    true,
    true,
    true,
    false,
    false,
  ])
})

test('ageing counts every TTL down, but not below zero', () => {
  const message = response({ authorities: [soa(10, 60)] })
  expect(decode(aged(message, 15))).toMatchObject({ answers: [{ ttl: 285 }], authorities: [{ ttl: 0 }] })
  expect(decode(message).answers).toMatchObject([{ ttl: 300 }])
})

describe('the hop’s own record', () => {
  test('is taken out and the count goes down, while other records stay', () => {
    const glue: Answer = { type: 'A', name: 'ns.example', ttl: 9, data: '192.0.2.53' }
    const stripped = decode(withoutOpt(response({ additionals: [glue, opt as unknown as Answer] })))
    expect(stripped.additionals).toMatchObject([{ type: 'A', name: 'ns.example' }])
    expect(stripped.answers).toHaveLength(1)
  })

  test('a message without it stays the same', () => {
    expect(withoutOpt(response()).equals(response())).toBe(true)
  })
})

test('any damaged message is walked to its end or refused, never read past it', () => {
  const damaged = fc
    .array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 8 })
    .map((changes) => {
      const bytes = response({ authorities: [soa(1, 1)] })
      for (const [at, value] of changes) bytes[at % bytes.length] = value
      return bytes
    })
  fc.assert(
    fc.property(damaged, fc.nat(200), (bytes, length) => {
      const message = bytes.subarray(0, 12 + length)
      try {
        expect(recordsOf(message).every((record) => record.end <= message.length)).toBe(true)
      } catch (error) {
        expect(String(error)).toMatch(/DNS message is malformed/)
      }
    }),
    { numRuns: 2000 },
  )
})

describe('the cache', () => {
  test('an answer is there until its time is over, with its TTL counted down', () => {
    const cache = new AnswerCache(8 * 2 ** 20)
    cache.put('k', response(), 1000)
    expect(decode(cache.get('k', 11_000)!).answers).toMatchObject([{ ttl: 290 }])
    expect(cache.get('k', 301_000)).toBeNull()
    expect(cache.bytes).toBe(0)
  })

  test('stays within its size, and a flood of names does not wash out what is in use', () => {
    const cache = new AnswerCache(8 * 2 ** 20)
    for (let i = 0; i < 40_000; i++) {
      cache.put(`k${i}`, response(), 0)
      cache.get('k0', 1)
    }
    expect(cache.bytes).toBeLessThanOrEqual(8 * 2 ** 20)
    expect(cache.bytes).toBeGreaterThan(7 * 2 ** 20)
    expect(cache.get('k0', 1)).not.toBeNull()
    expect(cache.get('k1', 1)).toBeNull()
    expect(cache.get('k39999', 1)).not.toBeNull()
  })
})

describe('what a hostile server may send', () => {
  test('an OPT record among the answers ends no message', () => {
    const answers = [opt, { type: 'A', name: 'web.example', ttl: 300, data: '192.0.2.1' }] as Answer[]
    const message = withoutOpt(response({ answers, additionals: [opt as unknown as Answer] }))
    expect(recordsOf(message).map(({ section }) => section)).toEqual(['answer', 'answer'])
    expect(lifetime(message)).toBe(0)
  })

  test('addresses that are too short or too long are none', () => {
    const message = response()
    const [{ dataAt } = { dataAt: 0 }] = recordsOf(message)
    for (const length of [0, 3]) {
      const short = Buffer.from(message.subarray(0, dataAt + length))
      short.writeUInt16BE(length, dataAt - 2)
      expect(addressesIn(short)).toBeNull()
    }
    expect(addressesIn(message)).toEqual({ addresses: ['192.0.2.1'], ttl: 300 })
  })
})
