import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  attribute,
  attributeNested,
  attributeString,
  attributeU8,
  attributeU16be,
  attributeU32,
  decodeAttributes,
  nestedAttributes,
  numberAttribute,
  stringAttribute,
} from '../../../src/netlink/attribute.ts'
import { bytes } from '../../helpers/bytes.ts'

describe('encoding', () => {
  test('an attribute is its length, its type and its payload, padded to four bytes', () => {
    expect(attributeString(3, 'br-x')).toEqual(bytes('09 00  03 00  62 72 2d 78 00  00 00 00'))
    expect(attributeU8(4, 1)).toEqual(bytes('05 00  04 00  01  00 00 00'))
    expect(attributeU32(4, 1400)).toEqual(bytes('08 00  04 00  78 05 00 00'))
  })

  test('a port is in network byte order', () => {
    expect(attributeU16be(15, 4789)).toEqual(bytes('06 00  0f 00  12 b5  00 00'))
  })

  test('a nested attribute carries the flag and counts the padding inside it', () => {
    expect(attributeNested(18, attributeU8(1, 7), attributeU8(2, 8))).toEqual(
      bytes('14 00  12 80  05 00 01 00 07 00 00 00  05 00 02 00 08 00 00 00'),
    )
  })
})

describe('decoding', () => {
  test('any attributes come back as they went in', () => {
    const one = fc.tuple(fc.integer({ min: 1, max: 0x3fff }), fc.uint8Array({ maxLength: 40 }))
    const several = fc.uniqueArray(one, { selector: ([type]) => type, maxLength: 10 })
    fc.assert(
      fc.property(several, (attributes) => {
        const encoded = Buffer.concat(attributes.map(([type, payload]) => attribute(type, payload)))
        const decoded = [...decodeAttributes(encoded)].map(([type, payload]) => [type, [...payload]])
        expect(decoded).toEqual(attributes.map(([type, payload]) => [type, [...payload]]))
      }),
    )
  })

  test('nested attributes are found without their flag', () => {
    const outer = decodeAttributes(attributeNested(18, attributeString(1, 'veth')))
    expect(stringAttribute(nestedAttributes(outer, 18), 1)).toBe('veth')
    expect(nestedAttributes(outer, 19).size).toBe(0)
  })

  test('numbers of one, two and four bytes are read, others refused', () => {
    const attributes = decodeAttributes(
      Buffer.concat([attributeU8(1, 255), attributeU32(2, 0xffffffff), attribute(3, Buffer.alloc(3))]),
    )
    expect(numberAttribute(attributes, 1)).toBe(255)
    expect(numberAttribute(attributes, 2)).toBe(0xffffffff)
    expect(numberAttribute(attributes, 9)).toBeNull()
    expect(() => numberAttribute(attributes, 3)).toThrow(/number of 3 bytes/)
  })

  test('an attribute longer than the message is refused with its place', () => {
    const broken = Buffer.concat([attributeU8(1, 1), bytes('ff 00 02 00')])
    expect(() => decodeAttributes(broken)).toThrow(
      expect.objectContaining({ code: 'netlink-decode', offset: 8 }),
    )
  })

  test('an attribute shorter than its own header is refused, or it would be read for ever', () => {
    expect(() => decodeAttributes(bytes('00 00 01 00'))).toThrow(/attribute of 0 bytes/)
  })
})
