import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DetachKeys } from '../../../src/supervisor/detach-keys.ts'
import { chunked } from './chunks.ts'

/** What a filter lets pass of chunks, up to the detaching. */
function filter(keys: readonly number[], chunks: readonly Buffer[]): { pass: Buffer; detached: boolean } {
  const detach = new DetachKeys(keys)
  const passed: Buffer[] = []
  for (const chunk of chunks) {
    const { pass, detached } = detach.filter(chunk)
    passed.push(pass)
    if (detached) return { pass: Buffer.concat(passed), detached }
  }
  return { pass: Buffer.concat(passed), detached: false }
}

const typed = (text: string): Buffer[] => [...text].map((key) => Buffer.from(key))
const keysOf = (text: string): number[] => [...Buffer.from(text)]

// Few letters, so that sequences begin again inside themselves.
const letters = fc.constantFrom('a', 'b', 'c')
const word = (minLength: number, maxLength: number) =>
  fc.array(letters, { minLength, maxLength }).map((all) => all.join(''))

describe('detach keys in what is typed', () => {
  test('end at their first occurrence, and all before it passes, in whatever chunks it comes', () => {
    fc.assert(
      fc.property(word(1, 4), word(0, 30), chunked.cuts, (keys, text, cuts) => {
        const { pass, detached } = filter(keysOf(keys), chunked.split(Buffer.from(text), cuts))
        const at = text.indexOf(keys)
        expect(detached).toBe(at >= 0)
        if (at >= 0) expect(pass.toString()).toBe(text.slice(0, at))
      }),
    )
  })

  test('hold back no more than what may become the sequence, and give it out in order when it does not', () => {
    fc.assert(
      fc.property(word(1, 4), word(0, 30), (keys, text) => {
        const detach = new DetachKeys(keysOf(keys))
        let passed = ''
        for (const [index, key] of typed(text).entries()) {
          const { pass, detached } = detach.filter(key)
          passed += pass.toString()
          if (detached) return
          const held = text.slice(passed.length, index + 1)
          expect(keys.startsWith(held)).toBe(true)
          expect(passed + held).toBe(text.slice(0, index + 1))
        }
      }),
    )
  })

  test('are found in `a a a b` for `a,a,b`', () => {
    expect(filter(keysOf('aab'), typed('xaaab'))).toEqual({ pass: Buffer.from('xa'), detached: true })
  })

  test('never match when there are none', () => {
    expect(filter([], typed('anything'))).toEqual({ pass: Buffer.from('anything'), detached: false })
  })
})
