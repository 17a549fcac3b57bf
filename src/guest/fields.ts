/** What another engine says to a plugin, read with care. Pure. */
import { TsnetError } from '../errors.ts'
import type { Labels } from '../store/records.ts'

export type Fields = Readonly<Record<string, unknown>>

/** A text, '' where it is missing or null. Throws kind 'invalid' for anything else. */
export function textOf(fields: Fields, name: string): string {
  const value = fields[name] ?? ''
  if (typeof value === 'string') return value
  throw wrong(name, value, 'a text')
}

/** As `textOf`, but it has to be there. */
export function idOf<T extends string>(fields: Fields, name: string): T {
  const value = textOf(fields, name)
  if (/^[\w.-]+$/.test(value)) return value as T
  throw wrong(name, value, 'an id')
}

/** An object, an empty one where it is missing or null. */
export function objectOf(fields: Fields, name: string): Fields {
  const value = fields[name] ?? {}
  if (typeof value === 'object' && !Array.isArray(value)) return value as Fields
  throw wrong(name, value, 'an object')
}

export function listOf(fields: Fields, name: string): readonly Fields[] {
  const value = fields[name] ?? []
  if (Array.isArray(value) && value.every((one) => typeof one === 'object' && one !== null)) return value
  throw wrong(name, value, 'a list of objects')
}

/** Options, of which flags and numbers are told as they are written. */
export function labelsOf(fields: Fields, name: string): Labels {
  return Object.fromEntries(
    Object.entries(objectOf(fields, name)).map(([key, value]) => [
      key,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  )
}

/** A number or its text; 0 where it is missing. */
export function numberOf(fields: Fields, name: string): number {
  const value = Number(fields[name] ?? 0)
  if (Number.isInteger(value) && value >= 0) return value
  throw wrong(name, fields[name], 'a number')
}

function wrong(name: string, value: unknown, wanted: string): TsnetError {
  return new TsnetError('invalid', 'bad-call', `${name} is ${JSON.stringify(value)}: wanted is ${wanted}`)
}
