import { describe, expect, test } from 'vitest'
import { isNetlinkError, NetlinkError } from '../../../src/netlink/error.ts'
import {
  decodeAcknowledgement,
  decodeDone,
  decodeMessages,
  describeRequest,
  encodeMessage,
} from '../../../src/netlink/message.ts'
import { bytes } from '../../helpers/bytes.ts'

const header = (type: number, flags: number, body: Buffer) =>
  decodeMessages(encodeMessage(type, flags, 7, body))[0]!

describe('framing', () => {
  test('a message is length, type, flags, sequence and port before its body', () => {
    expect(encodeMessage(16, 0x605, 7, bytes('aa bb cc dd'))).toEqual(
      bytes('14 00 00 00', '10 00', '05 06', '07 00 00 00', '00 00 00 00', 'aa bb cc dd'),
    )
  })

  test('several messages of a datagram come out in order, each from its aligned start', () => {
    const first = encodeMessage(16, 0, 1, bytes('aa'))
    const datagram = Buffer.concat([first, bytes('00 00 00'), encodeMessage(17, 0, 2, bytes('bb'))])
    expect(decodeMessages(datagram).map(({ type, sequence, body }) => [type, sequence, body])).toEqual([
      [16, 1, bytes('aa')],
      [17, 2, bytes('bb')],
    ])
  })

  test('a message that claims more bytes than came is refused', () => {
    const message = encodeMessage(16, 0, 1, bytes('aa bb cc dd'))
    expect(() => decodeMessages(message.subarray(0, 18))).toThrow(
      /message of 20 bytes among 18 left at byte 0/,
    )
  })
})

describe('answers', () => {
  const echoed = '28 00 00 00 10 00 05 06 07 00 00 00 00 00 00 00'

  test('errno 0 is a yes', () => {
    const answer = header(2, 0x100, bytes('00 00 00 00', echoed))
    expect(decodeAcknowledgement(answer)).toEqual({ errno: 0, extack: '', offset: -1 })
  })

  test('the kernel’s sentence and the place in the body are read behind a capped echo', () => {
    // errno -22; NLMSGERR_ATTR_MSG "bad"; NLMSGERR_ATTR_OFFS 32, which counts the request's header of 16
    const body = bytes('ea ff ff ff', echoed, '08 00 01 00 62 61 64 00', '08 00 02 00 20 00 00 00')
    expect(decodeAcknowledgement(header(2, 0x300, body))).toEqual({ errno: 22, extack: 'bad', offset: 16 })
  })

  test('the kernel’s sentence is read behind a full echo', () => {
    const rest = Buffer.alloc(0x28 - 16)
    const body = Buffer.concat([bytes('ea ff ff ff', echoed), rest, bytes('08 00 01 00 62 61 64 00')])
    expect(decodeAcknowledgement(header(2, 0x200, body))).toEqual({ errno: 22, extack: 'bad', offset: -1 })
  })

  test('a dump that ends in an error says so', () => {
    expect(decodeDone(header(3, 0x202, bytes('ea ff ff ff', '08 00 01 00 62 61 64 00')))).toEqual({
      errno: 22,
      extack: 'bad',
      offset: -1,
    })
    expect(decodeDone(header(3, 2, bytes('00 00 00 00'))).errno).toBe(0)
  })
})

describe('errors', () => {
  test('a refusal reads as request, errno and the kernel’s words', () => {
    const request = describeRequest({ type: 16, flags: 0, body: Buffer.alloc(0), subject: 'br-x' })
    const error = new NetlinkError(request, 17, 'name in use', -1)
    expect(error.message).toBe('RTM_NEWLINK br-x: EEXIST, file already exists (kernel: name in use)')
    expect(error).toMatchObject({ kind: 'conflict', code: 'netlink', errnoName: 'EEXIST' })
  })

  test('a refusal without words ends after the errno', () => {
    expect(new NetlinkError('RTM_DELLINK link 7', 19, '', -1)).toMatchObject({
      kind: 'not-found',
      message: 'RTM_DELLINK link 7: ENODEV, no such device',
    })
  })

  test('errors are told apart by errno name', () => {
    const error = new NetlinkError('x', 95, '', -1)
    expect(isNetlinkError(error, 'EOPNOTSUPP')).toBe(true)
    expect(isNetlinkError(error, 'EEXIST')).toBe(false)
    expect(isNetlinkError(new Error('EOPNOTSUPP'), 'EOPNOTSUPP')).toBe(false)
  })
})
