import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Gate } from '../../../src/supervisor/gate.ts'

const long = 60_000

/** Work that goes on until it is told to end, and what has begun of it so far. */
function works(gate: Gate, count: number) {
  const begun: number[] = []
  const ends = Array.from({ length: count }, () => Promise.withResolvers<number>())
  const passed = ends.map((end, index) =>
    gate.pass(() => {
      begun.push(index)
      return end.promise
    }),
  )
  return { begun, ends, passed }
}

test('as many pass at a time as the gate is wide, the others in their order', async () => {
  const { begun, ends, passed } = works(new Gate(2, long), 5)
  await setImmediate()
  expect(begun).toEqual([0, 1])
  ends[1]?.resolve(11)
  expect(await passed[1]).toBe(11)
  await setImmediate()
  expect(begun).toEqual([0, 1, 2])
  for (const end of ends) end.resolve(0)
  await Promise.all(passed)
  expect(begun).toEqual([0, 1, 2, 3, 4])
})

test('one that fails makes room as well, and its error comes through', async () => {
  const { begun, ends, passed } = works(new Gate(1, long), 2)
  ends[0]?.reject(new Error('no such image'))
  await expect(passed[0]).rejects.toThrow('no such image')
  await setImmediate()
  expect(begun).toEqual([0, 1])
  ends[1]?.resolve(2)
  expect(await passed[1]).toBe(2)
})

test('one that takes long keeps nobody waiting, and makes room once only', async () => {
  const gate = new Gate(1, 20)
  const first = works(gate, 2)
  first.ends[1]?.resolve(1)
  expect(await first.passed[1]).toBe(1)
  expect(first.begun).toEqual([0, 1])
  first.ends[0]?.resolve(0)
  await first.passed[0]
  await setImmediate()
  const second = works(gate, 2)
  await setImmediate()
  expect(second.begun).toEqual([0])
  for (const end of second.ends) end.resolve(0)
  await Promise.all(second.passed)
})

test('who comes while others wait is behind them', async () => {
  const gate = new Gate(1, long)
  const { begun, ends, passed } = works(gate, 2)
  ends[0]?.resolve(0)
  const late = gate.pass(async () => [...begun])
  ends[1]?.resolve(1)
  expect(await late).toEqual([0, 1])
  await Promise.all(passed)
})
