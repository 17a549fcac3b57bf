import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createDetachFilter } from '../../../src/cli/terminal.ts'

const keys = [16, 17]

describe('createDetachFilter', () => {
  test('sees the keys in one chunk or in two, and passes what came before on', () => {
    const filter = createDetachFilter(keys)
    expect(filter(Buffer.from('ab\x10'))).toEqual({ passed: Buffer.from('ab'), isDetached: false })
    expect(filter(Buffer.from('\x11cd'))).toEqual({ passed: Buffer.alloc(0), isDetached: true })
  })

  test('gives back the first key when another follows', () => {
    const filter = createDetachFilter(keys)
    filter(Buffer.from('\x10'))
    expect(filter(Buffer.from('x'))).toEqual({ passed: Buffer.from('\x10x'), isDetached: false })
  })

  test('sees the keys after the first of them was typed twice', () => {
    expect(createDetachFilter(keys)(Buffer.from('\x10\x10\x11'))).toEqual({
      passed: Buffer.from('\x10'),
      isDetached: true,
    })
  })

  test('passes everything on that does not hold the keys', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (chunks) => {
        const typed = Buffer.concat([...chunks, Buffer.from('.')])
        fc.pre(!typed.includes(Buffer.from(keys)))
        const filter = createDetachFilter(keys)
        const passed = [...chunks, Buffer.from('.')].map((chunk) => filter(Buffer.from(chunk)).passed)
        expect(Buffer.concat(passed)).toEqual(typed)
      }),
    )
  })
})
