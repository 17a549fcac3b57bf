import { expect, test } from 'vitest'
import { Type } from '../../../src/extensions/api/driver.ts'
import { optionReader } from '../../../src/extensions/options.ts'

const read = optionReader(
  'mine',
  Type.Object({
    size: Type.Integer({ minimum: 1 }),
    fast: Type.Boolean({ default: false }),
    mode: Type.Union([Type.Literal('a'), Type.Literal('b')], { default: 'a' }),
  }),
)

test('texts become what the schema says, and defaults are filled in', () => {
  expect(read({ size: '3' })).toEqual({ size: 3, fast: false, mode: 'a' })
  expect(read({ size: '3', fast: 'true', mode: 'b' })).toEqual({ size: 3, fast: true, mode: 'b' })
})

test.each([
  [{ size: '0' }, 'driver mine: option size "0": must be >= 1'],
  [{ size: 'much' }, 'driver mine: option size "much": must be integer'],
  [{}, 'driver mine: options: must have required properties size'],
  [{ size: '1', other: 'x' }, 'driver mine: option other is unknown, known are size, fast, mode'],
])('%j is refused by name', (options, message) => {
  expect(() => read(options as Record<string, string>)).toThrow(message)
})

test('without a schema there are no options', () => {
  const none = optionReader('mine')
  expect(none({})).toEqual({})
  expect(() => none({ any: '1' })).toThrow('driver mine: option any is unknown, there are none')
})

test('a schema that is no object is refused when the driver loads', () => {
  expect(() => optionReader('mine', Type.String())).toThrow(
    'driver mine: its options must be a schema made by Type.Object',
  )
})
