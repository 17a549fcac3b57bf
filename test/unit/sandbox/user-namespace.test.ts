import { expect, test } from 'vitest'
import { mapText } from '../../../src/sandbox/user-namespace.ts'

test('a mapping’s text has a line for each range: on disk, seen, how many', () => {
  const ranges = [
    { disk: 1000, seen: 0, count: 1 },
    { disk: 100_000, seen: 1, count: 65_535 },
  ]
  expect(mapText(ranges)).toBe('1000 0 1\n100000 1 65535')
})

test('a kind that is not mapped has all ids as they are', () => {
  expect(mapText([])).toBe('0 0 4294967295')
})
