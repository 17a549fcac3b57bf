import { describe, expect, test } from 'vitest'
import { i32, struct, u8, u16, u16be, u32 } from '../../../src/sys/layout.ts'
import { bytes } from '../../helpers/bytes.ts'

const mixed = struct({ kind: u8, port: u16be, _pad: u16, flags: u32, last: u8 })

describe('struct', () => {
  test('each field begins at a multiple of its alignment, and the size at one of the largest', () => {
    expect(mixed.offsets).toEqual({ kind: 0, port: 2, _pad: 4, flags: 8, last: 12 })
    expect([mixed.size, mixed.align]).toEqual([16, 4])
  })

  test('integers are in the host’s order, be integers in the network’s', () => {
    expect(mixed.encode({ kind: 1, port: 0x0203, flags: 0x04050607, last: 8 })).toEqual(
      bytes('01 00 02 03 00 00 00 00 07 06 05 04 08 00 00 00'),
    )
  })

  test('fields left out are zero', () => {
    expect(mixed.encode({})).toEqual(Buffer.alloc(16))
  })

  test('what was encoded is read back, without the padding', () => {
    const value = { kind: 255, port: 65535, flags: 0xffffffff, last: 1 }
    expect(mixed.decode(mixed.encode(value))).toEqual(value)
  })

  test('a nested structure is a field', () => {
    const outer = struct({ error: i32, inner: mixed })
    const value = { error: -22, inner: { kind: 1, port: 2, flags: 3, last: 4 } }
    expect(outer.offsets.inner).toBe(4)
    expect(outer.decode(outer.encode(value))).toEqual(value)
  })

  test('too few bytes are refused, not read as zeros', () => {
    expect(() => mixed.decode(Buffer.alloc(20), 8)).toThrow(RangeError)
  })

  test('a field that the structure does not have does not compile', () => {
    // @ts-expect-error: no such field
    expect(() => mixed.encode({ kinds: 1 })).toThrow()
    // @ts-expect-error: padding has no value
    expect(() => mixed.decode(Buffer.alloc(16))._pad.toFixed()).toThrow()
  })
})
