import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeFrame } from '../../../src/supervisor/frames.ts'

test('a frame says its stream in the first byte and its length in the last four of the header', () => {
  expect(encodeFrame('stdout', Buffer.from('hi'))).toEqual(Buffer.from([1, 0, 0, 0, 0, 0, 0, 2, 0x68, 0x69]))
  expect(encodeFrame('stderr', Buffer.alloc(0))).toEqual(Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]))
})

test('a frame carries its bytes unchanged, and counts them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70_000, size: 'max' }), (bytes) => {
      const frame = encodeFrame('stderr', Buffer.from(bytes))
      expect(frame.readUInt32BE(4)).toBe(bytes.length)
      expect(frame.subarray(8).equals(bytes)).toBe(true)
    }),
    { numRuns: 30 },
  )
})
