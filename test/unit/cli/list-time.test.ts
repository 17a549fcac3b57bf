import { afterEach, expect, test } from 'vitest'
import { formatInstant, formatMoment, formatTime } from '../../../src/cli/list-time.ts'

const zone = process.env['TZ']
afterEach(() => {
  if (zone === undefined) delete process.env['TZ']
  else process.env['TZ'] = zone
})

test.each([
  ['UTC', '2026-01-02 03:04:05 +0000 UTC', '2026-01-02T03:04:05.000000009Z'],
  ['Asia/Kolkata', '2026-01-02 08:34:05 +0530 GMT+5:30', '2026-01-02T08:34:05.000000009+05:30'],
  ['America/New_York', '2026-01-01 22:04:05 -0500 EST', '2026-01-01T22:04:05.000000009-05:00'],
])('times are told in the zone %s', (name, time, instant) => {
  process.env['TZ'] = name
  const seconds = Date.UTC(2026, 0, 2, 3, 4, 5) / 1000
  expect(formatTime(seconds)).toBe(time)
  expect(formatInstant(seconds, '000000009')).toBe(instant)
})

test.each([
  ['2026-11-22T01:35:07.871711762Z', '2026-11-22 01:35:07.871711762 +0000 UTC'],
  ['2026-11-22T01:35:07.780Z', '2026-11-22 01:35:07.78 +0000 UTC'],
  ['2026-11-22T01:35:10.000Z', '2026-11-22 01:35:10 +0000 UTC'],
  ['2026-11-22T01:35:10+01:00', '2026-11-22 01:35:10 +0100 +0100'],
])('the moment %s is told as Go tells it', (instant, told) => {
  expect(formatMoment(instant)).toBe(told)
})
