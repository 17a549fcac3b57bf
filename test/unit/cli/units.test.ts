import { expect, test } from 'vitest'
import { formatBinarySize, formatDuration, formatSize } from '../../../src/cli/units.ts'

test.each([
  [0, '0B'],
  [999, '999B'],
  [1000, '1kB'],
  [1_984_512, '1.98MB'],
  [10_000_000, '10MB'],
  [999_900, '1e+03kB'],
  [1.5e12, '1.5TB'],
])('%i bytes are %s', (bytes, expected) => {
  expect(formatSize(bytes)).toBe(expected)
})

test('memory is counted in powers of 1024', () => {
  expect(formatBinarySize(25_276_000_000)).toBe('23.54GiB')
})

const hour = 3600
const day = 24 * hour
test.each([
  [0.4, 'Less than a second'],
  [1.9, '1 second'],
  [59, '59 seconds'],
  [60, 'About a minute'],
  [59 * 60 + 59, '59 minutes'],
  [hour, 'About an hour'],
  [1.5 * hour, '2 hours'],
  [47.4 * hour, '47 hours'],
  [2 * day, '2 days'],
  [14 * day, '2 weeks'],
  [70 * day, '2 months'],
  [800 * day, '2 years'],
])('%f seconds are %s', (seconds, expected) => {
  expect(formatDuration(seconds)).toBe(expected)
})
