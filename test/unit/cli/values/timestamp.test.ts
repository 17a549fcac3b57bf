import { expect, test } from 'vitest'
import { parseDuration, parseTimestamp } from '../../../../src/cli/values/timestamp.ts'

const now = Date.UTC(2026, 0, 2, 3, 4, 5, 500)

test.each([
  ['90s', 90],
  ['1h30m', 5400],
  ['1.5h', 5400],
  ['-10ms', -0.01],
  ['x', undefined],
  ['10', undefined],
])('%s lasts %j seconds', (text, seconds) => {
  expect(parseDuration(text)).toBe(seconds)
})

test.each([
  ['', ''],
  ['1767323045', '1767323045'],
  ['1767323045.123456789', '1767323045.123456789'],
  ['10m', String(now / 1000 - 600)],
  ['2026-01-02T03:04:05Z', '1767323045'],
  ['2026-01-02T03:04:05.000000001Z', '1767323045.000000001'],
  ['2026-01-02T04:04:05+01:00', '1767323045'],
  ['2026-01-02T03:04Z', '1767323040'],
])('%j is the time %s', (text, expected) => {
  expect(parseTimestamp(text, now)).toBe(expected)
})

test.each(['yesterday', '2026-13-01', '2026-01-02 03:04'])('%j is no time', (text) => {
  expect(() => parseTimestamp(text, now)).toThrow(`failed to parse value as time or duration: "${text}"`)
})
