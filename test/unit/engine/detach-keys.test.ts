import { describe, expect, test } from 'vitest'
import { parseDetachKeys } from '../../../src/engine/detach-keys.ts'

describe('detach keys', () => {
  test.each([
    ['', [16, 17]],
    ['ctrl-p,ctrl-q', [16, 17]],
    ['ctrl-a', [1]],
    ['ctrl-z', [26]],
    ['ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_', [0, 27, 28, 29, 30, 31]],
    ['a,B,~, ', [97, 66, 126, 32]],
  ])('%j are these bytes', (text, bytes) => {
    expect(parseDetachKeys(text)).toEqual(bytes)
  })

  test.each([
    ['ctrl-', 'ctrl-'],
    ['ctrl-A', 'ctrl-A'],
    ['ctrl-1', 'ctrl-1'],
    ['ctrl-constructor', 'ctrl-constructor'],
    ['a,,b', ''],
    ['ab', 'ab'],
    ['é', 'é'],
    ['ctrl-p,alt-q', 'alt-q'],
  ])('cannot be %j', (text, key) => {
    expect(() => parseDetachKeys(text)).toThrow(`Invalid detach keys (${text}): unknown character: '${key}'`)
  })
})
