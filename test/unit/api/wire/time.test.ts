import { describe, expect, test } from 'vitest'
import { epochSeconds, humanDuration, timeOrNever } from '../../../../src/api/wire/time.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

describe('a span for people', () => {
  test.each([
    [0, 'Less than a second'],
    [999, 'Less than a second'],
    [second, '1 second'],
    [2 * second, '2 seconds'],
    [59 * second, '59 seconds'],
    [minute, 'About a minute'],
    [2 * minute - 1, 'About a minute'],
    [2 * minute, '2 minutes'],
    [59 * minute, '59 minutes'],
    [hour, 'About an hour'],
    [89 * minute, 'About an hour'],
    [90 * minute, '2 hours'],
    [47 * hour, '47 hours'],
    [2 * day, '2 days'],
    [13 * day, '13 days'],
    [14 * day, '2 weeks'],
    [59 * day, '8 weeks'],
    [60 * day, '2 months'],
    [729 * day, '24 months'],
    [730 * day, '2 years'],
    [3650 * day, '10 years'],
  ])('of %i ms is %s', (milliseconds, text) => {
    expect(humanDuration(milliseconds)).toBe(text)
  })

  test('that seems to lie ahead, as clocks may jump, is short', () => {
    expect(humanDuration(-5000)).toBe('Less than a second')
  })
})

test('what never was has the zero time of Go', () => {
  expect(timeOrNever('')).toBe('0001-01-01T00:00:00Z')
  expect(timeOrNever('2026-01-01T00:00:00.5Z')).toBe('2026-01-01T00:00:00.5Z')
})

test('seconds since 1970 are whole', () => {
  expect(epochSeconds('1970-01-01T00:00:01.999Z')).toBe(1)
})
