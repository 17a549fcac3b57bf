import { expect, test } from 'vitest'
import { TsnetError } from '../../src/errors.ts'
import {
  type ActionTiming,
  type DriverTiming,
  onContainerAction,
  onDriverCall,
  timeAction,
  timeDriver,
} from '../../src/timings.ts'

const call = { driver: 'd', kind: 'volume', origin: 'plugin' } as const

test('a call of a driver is told with how it ended, and its answer or error goes on', async () => {
  const heard: DriverTiming[] = []
  using _ = onDriverCall((timing) => heard.push(timing))
  expect(await timeDriver(call, async () => 5)).toBe(5)
  const errors = [
    new TsnetError('internal', 'plugin-refused', 'no'),
    new TsnetError('conflict', 'driver-failed', 'no'),
    new TsnetError('unavailable', 'driver-timeout', 'late'),
    new TsnetError('internal', 'plugin-answer', 'nonsense'),
    new Error('anything'),
  ]
  for (const error of errors) await expect(timeDriver(call, () => Promise.reject(error))).rejects.toBe(error)
  const results = ['ok', 'refused', 'refused', 'unavailable', 'failed', 'failed']
  expect(heard).toEqual(results.map((result) => ({ ...call, result, seconds: expect.any(Number) })))
})

test('only actions of containers that succeed are told, and nothing to who has had enough', async () => {
  const heard: ActionTiming[] = []
  const listening = onContainerAction((timing) => heard.push(timing))
  await timeAction('start', async () => {})
  await expect(timeAction('create', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  listening[Symbol.dispose]()
  await timeAction('delete', async () => {})
  expect(heard).toEqual([{ action: 'start', seconds: expect.any(Number) }])
})
