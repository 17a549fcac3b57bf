import { expect, test } from 'vitest'
import { FillLevels } from '../../../src/engine/quota-watch.ts'
import type { VolumeId } from '../../../src/values/id.ts'

const one = 'a1'.repeat(32) as VolumeId
const other = 'b2'.repeat(32) as VolumeId

test('a volume that becomes nearly full is told of once', () => {
  const levels = new FillLevels()
  const told = [50, 89, 90, 95, 100].map((used) => levels.crossed(one, { used, limit: 100 }))
  expect(told).toEqual([null, null, 90, null, null])
})

test('it is told of again only after it was clearly below', () => {
  const levels = new FillLevels()
  const told = [95, 86, 92, 84, 91].map((used) => levels.crossed(one, { used, limit: 100 }))
  expect(told).toEqual([95, null, null, null, 91])
})

test('a larger limit counts as room', () => {
  const levels = new FillLevels()
  expect(levels.crossed(one, { used: 95, limit: 100 })).toBe(95)
  expect(levels.crossed(one, { used: 95, limit: 200 })).toBeNull()
  expect(levels.crossed(one, { used: 190, limit: 200 })).toBe(95)
})

test('volumes do not count for each other, and those that are gone are forgotten', () => {
  const levels = new FillLevels()
  expect(levels.crossed(one, { used: 95, limit: 100 })).toBe(95)
  expect(levels.crossed(other, { used: 90, limit: 100 })).toBe(90)
  levels.keep(new Set([other]))
  expect(levels.crossed(one, { used: 95, limit: 100 })).toBe(95)
  expect(levels.crossed(other, { used: 90, limit: 100 })).toBeNull()
})
