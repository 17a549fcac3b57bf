import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeFrame, encodeFrame } from '../../../src/ipam/dhcp/frame.ts'
import { type ClientMessage, decodeMessage, encodeMessage } from '../../../src/ipam/dhcp/message.ts'

const request: ClientMessage = {
  type: 'request',
  transaction: 0x12345678,
  seconds: 3,
  mac: '02:00:00:00:00:05',
  clientId: Buffer.from([0, 0xab]),
  hostname: 'web',
  address: '',
  requested: '10.5.0.7',
  serverId: '10.5.0.1',
  broadcast: true,
}

/** A server's answer with these options, and these bytes in the header's field for a file's name. */
function answer(options: readonly number[], file: readonly number[] = []): Buffer {
  const header = Buffer.alloc(236)
  header.set([2, 1, 6, 0, 0x12, 0x34, 0x56, 0x78])
  header.set([10, 5, 0, 7], 16)
  header.set([2, 0, 0, 0, 0, 5], 28)
  header.set(file, 108)
  return Buffer.concat([header, Buffer.from([99, 130, 83, 99, ...options])])
}

const seconds = (value: number): number[] => [0, 0, value >> 8, value & 255]

describe('messages', () => {
  test('a request has its options in the form of RFC 2132, and no relay drops it as too short', () => {
    const bytes = encodeMessage(request)
    expect(bytes.length).toBe(300)
    expect([...bytes.subarray(0, 12)]).toEqual([1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 3, 0x80, 0])
    expect([...bytes.subarray(236, 269)]).toEqual([
      ...[99, 130, 83, 99, 53, 1, 3, 61, 2, 0, 0xab, 50, 4, 10, 5, 0, 7],
      ...[54, 4, 10, 5, 0, 1, 12, 3, 0x77, 0x65, 0x62, 57, 2, 5, 0xdc, 55],
    ])
  })

  test('an answer is read with what it leaves out at the values of RFC 2131', () => {
    const options = [
      53,
      1,
      5,
      1,
      4,
      255,
      255,
      0,
      0,
      3,
      8,
      10,
      5,
      0,
      1,
      10,
      5,
      0,
      2,
      51,
      4,
      ...seconds(800),
      255,
    ]
    expect(decodeMessage(answer(options))).toEqual({
      type: 'ack',
      transaction: 0x12345678,
      mac: '02:00:00:00:00:05',
      address: '10.5.0.7/16',
      router: '10.5.0.1',
      nameServers: [],
      serverId: '',
      leaseTime: 800,
      renewalTime: 400,
      rebindingTime: 700,
    })
  })

  test.each([
    ['no times at all', [], [16, 8, 14]],
    ['a lease for no time', [51, 4, ...seconds(0)], [16, 8, 14]],
    ['a renewal at once', [51, 4, ...seconds(800), 58, 4, ...seconds(0)], [800, 400, 700]],
    ['a renewal after the end', [51, 4, ...seconds(800), 58, 4, ...seconds(900)], [800, 400, 700]],
    ['a renewal after the rebinding', [51, 4, ...seconds(800), 59, 4, ...seconds(9)], [800, 9, 9]],
  ])('%s is no reason to ask without a pause', (_what, options, [leaseTime, renewalTime, rebindingTime]) => {
    const message = decodeMessage(answer([53, 1, 5, ...options, 255]))
    expect(message).toMatchObject({ leaseTime, renewalTime, rebindingTime })
  })

  test('options go on in the field for a file when the server says so, and values that are split are joined', () => {
    const bytes = answer([53, 1, 2, 52, 1, 1, 6, 4, 10, 5, 0, 3, 255], [6, 4, 10, 5, 0, 4, 255])
    expect(decodeMessage(bytes)).toMatchObject({ type: 'offer', nameServers: ['10.5.0.3', '10.5.0.4'] })
  })

  test('whatever a server sends is an answer or none, never an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (noise) => {
        decodeMessage(answer([53, 1, 5, ...noise]))
        decodeMessage(Buffer.from(noise))
        decodeFrame(Buffer.from(noise))
      }),
    )
    expect(decodeMessage(encodeMessage(request))).toBeNull()
  })
})

describe('frames', () => {
  const datagram = {
    sourceMac: '02:00:00:00:00:05',
    destinationMac: 'ff:ff:ff:ff:ff:ff',
    source: '0.0.0.0',
    destination: '255.255.255.255',
  }

  test('carry any payload, with checksums that are right', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        const payload = Buffer.from(bytes)
        const frame = encodeFrame({ ...datagram, payload })
        expect(decodeFrame(frame)).toEqual({ sourceMac: datagram.sourceMac, source: '0.0.0.0', payload })
        const ip = frame.subarray(14, 34)
        expect(sum(ip)).toBe(0xffff)
        const pseudo = Buffer.from([...ip.subarray(12, 20), 0, 17, ...frame.subarray(38, 40)])
        expect(sum(Buffer.concat([pseudo, frame.subarray(34)]))).toBe(0xffff)
      }),
    )
  })

  test('that are cut short are none', () => {
    const frame = encodeFrame({ ...datagram, payload: Buffer.alloc(300) })
    for (let length = 0; length < frame.length; length++) {
      expect(decodeFrame(frame.subarray(0, length))).toBeNull()
    }
  })
})

/** RFC 1071, written as simply as possible. */
function sum(bytes: Buffer): number {
  const padded = Buffer.concat([bytes, Buffer.alloc(bytes.length % 2)])
  let total = 0
  for (let at = 0; at < padded.length; at += 2) total += padded.readUInt16BE(at)
  while (total > 0xffff) total = (total % 0x10000) + Math.floor(total / 0x10000)
  return total
}
