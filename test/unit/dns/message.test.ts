import { type Answer, decode, encode, type Packet } from 'dns-packet'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addressRecord,
  addressTo,
  fitToClient,
  pointerRecord,
  type Query,
  receive,
  reply,
  upstreamQuery,
} from '../../../src/dns/message.ts'

interface Asked {
  readonly name?: string
  readonly type?: 'A' | 'AAAA' | 'PTR' | 'AXFR'
  readonly size?: number
  readonly version?: number
  readonly part?: Partial<Packet>
}

function ask({ name = 'Web.Example', type = 'A', size, version = 0, part = {} }: Asked = {}): Buffer {
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: size ?? 0,
    extendedRcode: 0,
    ednsVersion: version,
    flags: 0,
    flag_do: false,
  }
  return encode({
    type: 'query',
    id: 4711,
    flags: 0x0100,
    questions: [{ name, type }],
    additionals: size === undefined ? [] : [{ ...opt, options: [] } as unknown as Answer],
    ...part,
  })
}

function query(asked: Asked = {}): Query {
  const received = receive(ask(asked))
  if ('refusal' in received) throw new Error('refused')
  return received.query
}

function refusal(bytes: Buffer): Buffer | null {
  const received = receive(bytes)
  if ('query' in received) throw new Error('not refused')
  return received.refusal
}

describe('receiving', () => {
  test('the name is folded, the question keeps its spelling', () => {
    expect(query()).toMatchObject({ id: 4711, name: 'web.example', type: 1, edns: null })
    expect(query().question.toString('latin1')).toContain('Web')
  })

  test('a question whose name points into the header, which is another for the next server, is refused', () => {
    const bytes = Buffer.from('0161010000010000000000000465766963c0000001 0001'.replaceAll(' ', ''), 'hex')
    expect(refusal(bytes)!.readUInt16BE(2) & 0xf).toBe(1)
    const whole = Buffer.concat([bytes.subarray(0, 12), Buffer.from([0xc0, 0x04, 0, 1, 0, 1])])
    expect(refusal(whole)!.readUInt16BE(2) & 0xf).toBe(1)
  })

  test('spelling does not change the key, while type and EDNS do', () => {
    expect(query({ name: 'WEB.example' }).key).toBe(query().key)
    expect(query({ type: 'AAAA' }).key).not.toBe(query().key)
    expect(query({ size: 1232 }).key).not.toBe(query().key)
  })

  test('types 65 and 97, an A and an a as bytes, have keys of their own', () => {
    const keyOf = (type: number) => query({ type: `UNKNOWN_${type}` as 'A' }).key
    expect(keyOf(65)).not.toBe(keyOf(97))
  })

  test('payload sizes are held between 512 and 4096', () => {
    expect([100, 1232, 65_535].map((size) => query({ size }).edns?.size)).toEqual([512, 1232, 4096])
  })

  test('a later version of EDNS gets BADVERS with the version that is known', () => {
    const [opt] = decode(refusal(ask({ size: 1232, version: 1 }))!).additionals!
    expect(opt).toMatchObject({ type: 'OPT', extendedRcode: 1, ednsVersion: 0 })
  })

  test('an answer is met with silence, so that two servers never talk to each other', () => {
    expect(refusal(ask({ part: { type: 'response' } }))).toBeNull()
  })

  test('less than a header is met with silence', () => {
    expect(refusal(ask().subarray(0, 11))).toBeNull()
  })

  test('a query cut short gets FORMERR with its id', () => {
    const code = refusal(ask().subarray(0, 20))!
    expect(decode(code)).toMatchObject({ id: 4711, rcode: 'FORMERR', type: 'response' })
  })

  test('two questions get FORMERR, an update NOTIMP, a zone transfer REFUSED', () => {
    const two = [
      { name: 'a', type: 'A' },
      { name: 'b', type: 'A' },
    ] as const
    expect(decode(refusal(ask({ part: { questions: [...two] } }))!)).toMatchObject({ rcode: 'FORMERR' })
    expect(decode(refusal(ask({ part: { flags: 5 << 11 } }))!)).toMatchObject({ rcode: 'NOTIMP' })
    expect(decode(refusal(ask({ type: 'AXFR' }))!)).toMatchObject({ rcode: 'REFUSED' })
  })

  test('no bytes whatever make it throw, and every refusal is a response of at least a header', () => {
    const header = fc.uint8Array({ minLength: 0, maxLength: 12 })
    const mutated = fc.tuple(fc.nat(40), fc.nat(255)).map(([at, value]) => {
      const bytes = ask({ size: 1232 })
      bytes[at % bytes.length] = value
      return bytes
    })
    const random = fc.tuple(header, fc.uint8Array({ maxLength: 600 })).map((parts) => Buffer.concat(parts))
    fc.assert(
      fc.property(fc.oneof(mutated, random), (bytes) => {
        const received = receive(Buffer.from(bytes))
        if ('refusal' in received) {
          if (received.refusal !== null) expect(received.refusal[2]! & 0x80).toBe(0x80)
        } else {
          expect(fitToClient(received.query, reply(received.query, 0), 'udp').length).toBeLessThanOrEqual(512)
        }
      }),
      { numRuns: 3000 },
    )
  })

  test('a name whose pointer leads to itself is refused at once', () => {
    const bytes = Buffer.concat([ask().subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])])
    expect(decode(refusal(bytes)!)).toMatchObject({ rcode: 'FORMERR' })
  })
})

describe('answering', () => {
  test('addresses of both families and the client’s spelling come back', () => {
    const asked = query()
    const message = reply(asked, 0, [addressRecord('10.1.0.2', 5), addressRecord('fd00::2', 5)])
    expect(decode(fitToClient(asked, message, 'udp'))).toMatchObject({
      id: 4711,
      rcode: 'NOERROR',
      flag_rd: true,
      flag_ra: true,
      flag_aa: true,
      questions: [{ name: 'Web.Example', type: 'A' }],
      answers: [
        { name: 'Web.Example', type: 'A', ttl: 5, data: '10.1.0.2' },
        { name: 'Web.Example', type: 'AAAA', ttl: 5, data: 'fd00::2' },
      ],
    })
  })

  test('a pointer names the endpoint with its network', () => {
    const asked = query({ name: '2.0.1.10.in-addr.arpa', type: 'PTR' })
    const answer = decode(reply(asked, 0, [pointerRecord('web.mynet', 5)])).answers![0]!
    expect(answer).toMatchObject({ type: 'PTR', data: 'web.mynet' })
  })

  test('EDNS is answered with EDNS, and nothing else is', () => {
    const withEdns = query({ size: 1232 })
    expect(decode(fitToClient(withEdns, reply(withEdns, 0), 'udp')).additionals).toMatchObject([
      { type: 'OPT', udpPayloadSize: 1232 },
    ])
    expect(decode(fitToClient(query(), reply(query(), 0), 'udp')).additionals).toEqual([])
  })
})

describe('size', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => addressRecord(`10.1.${i >> 8}.${i & 255}`, 5))

  test('an answer that fits 512 bytes exactly is whole, one more record is cut off and said to be', () => {
    const asked = query({ name: 'n'.repeat(10) })
    // 12 header, 16 question, 29 records of 16 bytes: 492
    const whole = decode(fitToClient(asked, reply(asked, 0, many(30)), 'udp'))
    expect([whole.answers!.length, whole.flag_tc]).toEqual([30, false])
    const cut = decode(fitToClient(asked, reply(asked, 0, many(31)), 'udp'))
    expect([cut.answers!.length, cut.flag_tc]).toEqual([30, true])
  })

  test('whatever the count and the client’s size, the message fits and holds whole records', () => {
    fc.assert(
      fc.property(fc.nat(400), fc.option(fc.integer({ min: 0, max: 5000 })), (count, size) => {
        const asked = query(size === null ? {} : { size })
        const message = fitToClient(asked, reply(asked, 0, many(count)), 'udp')
        expect(message.length).toBeLessThanOrEqual(asked.edns?.size ?? 512)
        const packet = decode(message)
        expect(packet.flag_tc).toBe(packet.answers!.length < count)
      }),
    )
  })

  test('by TCP nothing is cut off', () => {
    expect(decode(fitToClient(query(), reply(query(), 0, many(2000)), 'tcp')).answers).toHaveLength(2000)
  })
})

describe('forwarding', () => {
  test('the upstream query keeps question and flags, and none of the client’s options', () => {
    const sent = decode(upstreamQuery(query({ size: 4096, part: { flags: 0x0110 } }), 99))
    expect(sent).toMatchObject({ id: 99, flag_rd: true, flag_cd: true, questions: [{ name: 'Web.Example' }] })
    expect(sent.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 1232, options: [] }])
  })

  test('a shared answer takes on each client’s id and spelling', () => {
    const message = reply(query(), 0, [addressRecord('192.0.2.1', 60)])
    const asked = query({ name: 'wEB.eXAMPLE', part: { id: 12 } })
    expect(decode(addressTo(asked, message))).toMatchObject({
      id: 12,
      answers: [{ name: 'wEB.eXAMPLE', data: '192.0.2.1' }],
    })
  })
})
