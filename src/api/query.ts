/** Query parameters by Docker's rules, which are laxer than JSON's: `1`, `True` and `yes` are all true. */
import { TsnetError } from '../errors.ts'

/** As the router parses it: a repeated name is a list. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>

/** All values of a repeated parameter. */
export function listParameter(query: Query, name: string): readonly string[] {
  const value = query[name]
  if (value === undefined) return []
  return typeof value === 'string' ? [value] : value
}

/** The first value, '' when there is none. */
export function textParameter(query: Query, name: string): string {
  return listParameter(query, name)[0] ?? ''
}

const falsehoods: readonly string[] = ['', '0', 'no', 'false', 'none']

export function flagParameter(query: Query, name: string, fallback = false): boolean {
  if (query[name] === undefined) return fallback
  return !falsehoods.includes(textParameter(query, name).trim().toLowerCase())
}

/** null when it is not given. Throws kind 'invalid' for anything but a whole number. */
export function integerParameter(query: Query, name: string): number | null {
  const text = textParameter(query, name)
  if (text === '') return null
  if (!/^[+-]?\d+$/.test(text)) {
    throw new TsnetError(
      'invalid',
      'bad-parameter',
      `invalid value for ${name}: '${text}' is not a whole number`,
    )
  }
  return Number(text)
}

/** A terminal's height or width. Throws kind 'invalid' with Docker's text. */
export function sizeParameter(query: Query, name: 'h' | 'w'): number {
  const text = textParameter(query, name)
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  // The kernel's struct winsize has 16 bits for each.
  if (value <= 0xffff) return value
  const what = name === 'h' ? 'height' : 'width'
  const why = Number.isNaN(value) ? 'invalid syntax' : 'value out of range'
  throw new TsnetError('invalid', 'bad-parameter', `invalid resize ${what} "${text}": ${why}`)
}

/** Seconds since the epoch with fraction, from a number or an RFC 3339 time; 0 when it is not given. */
export function timeParameter(query: Query, name: string): number {
  const text = textParameter(query, name)
  if (text === '') return 0
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text)
  const milliseconds = Date.parse(text)
  if (!Number.isNaN(milliseconds)) return milliseconds / 1000
  throw new TsnetError(
    'invalid',
    'bad-parameter',
    `invalid value for ${name}: '${text}' is neither seconds since 1970 nor a time such as 2026-01-31T12:00:00Z`,
  )
}
