/** Options are texts on the wire; a driver's schema says what they become. */
import Type, { type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Value } from 'typebox/value'
import { TsnetError } from '../errors.ts'
import type { Labels } from '../store/records.ts'

const none = Type.Object({})

/** Turns the options of one kind of thing into what their schema says. Throws kind 'invalid', naming driver, option and fault. */
export type OptionReader = (options: Labels) => never

/** Throws what is wrong with the schema. */
export function optionReader(driver: string, schema: TSchema = none): OptionReader {
  const known = propertiesOf(driver, schema)
  const validator = Compile(schema)
  return (options) => {
    const unknown = Object.keys(options).find((option) => !known.includes(option))
    if (unknown !== undefined) throw bad(driver, `option ${unknown} is unknown, ${listOf(known)}`)
    const value = Value.Convert(schema, Value.Default(schema, { ...options }))
    if (validator.Check(value)) return value as never
    const { instancePath = '', message = 'is wrong' } = validator.Errors(value)[0] ?? {}
    const option = instancePath.slice(1)
    throw bad(
      driver,
      option === '' ? `options: ${message}` : `option ${option} "${options[option] ?? ''}": ${message}`,
    )
  }
}

function propertiesOf(driver: string, schema: TSchema): readonly string[] {
  const { type, properties } = schema as { type?: unknown; properties?: object }
  if (type === 'object' && properties !== undefined) return Object.keys(properties)
  throw bad(driver, 'its options must be a schema made by Type.Object')
}

function listOf(known: readonly string[]): string {
  return known.length === 0 ? 'there are none' : `known are ${known.join(', ')}`
}

function bad(driver: string, what: string): TsnetError {
  return new TsnetError('invalid', 'driver-option', `driver ${driver}: ${what}`)
}
