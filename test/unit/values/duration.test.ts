import { expect, test } from 'vitest'
import { parseDuration } from '../../../src/values/duration.ts'

test.each([
  ['24h', 86_400_000],
  ['1h30m', 5_400_000],
  ['1.5s', 1500],
  ['.5s', 500],
  ['250ms', 250],
  ['0s', 0],
])('%s is %d ms', (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds)
})

test.each(['', '5', 'h', '1d', '-1h', '1h 30m', '1h30'])('%j is no duration', (text) => {
  expect(parseDuration(text)).toBeUndefined()
})
