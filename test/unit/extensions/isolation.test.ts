import Type from 'typebox'
import { expect, test } from 'vitest'
import { DriverError } from '../../../src/extensions/api/error.ts'
import { pack, packError, unpack, unpackError } from '../../../src/extensions/isolation/messages.ts'
import { optionReader } from '../../../src/extensions/options.ts'

const schema = Type.Object({
  size: Type.Integer({ default: 1, maximum: 3 }),
  mode: Type.Union([Type.Literal('fast'), Type.Literal('safe')], { default: 'safe' }),
  note: Type.Optional(Type.String()),
  dry: Type.Boolean({ default: false }),
})

test('a schema reads options alike on both sides of a thread', () => {
  const [here, there] = [schema, unpack(structuredClone(pack(schema))) as typeof schema].map((one) =>
    optionReader('mine', one),
  )
  for (const options of [{}, { size: '2', dry: 'true' }, { mode: 'fast', note: 'x' }]) {
    expect(there?.(options)).toEqual(here?.(options))
  }
  expect(there?.({})).toEqual({ size: 1, mode: 'safe', dry: false })
  expect(() => there?.({ size: '9' })).toThrow('driver mine: option size "9": must be <= 3')
})

test('a schema with functions is refused', () => {
  expect(() => pack(Type.Object({ even: Type.Refine(Type.Integer(), (n) => n % 2 === 0) }))).toThrow(
    'must be a schema without functions',
  )
})

test('a refusal keeps its kind over the thread, and anything else is a failure with its stack', () => {
  const over = (error: unknown): Error => unpackError(structuredClone(packError(error)))
  expect(over(new DriverError('conflict', 'is there'))).toMatchObject({
    kind: 'conflict',
    message: 'is there',
  })
  const failed = new TypeError('oops')
  expect(over(failed)).toMatchObject({ message: 'oops', stack: failed.stack })
  expect(over(failed)).not.toHaveProperty('kind')
  expect(over('text').message).toBe('text')
})
