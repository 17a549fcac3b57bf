/** The `filters` parameter of lists and events: `{"label": ["a=b"]}`, or the older `{"label": {"a=b": true}}`. */
import { TsnetError } from '../errors.ts'
import type { Labels } from '../store/records.ts'
import { parseDuration } from '../values/duration.ts'
import { type Query, textParameter } from './query.ts'

export type Filters = ReadonlyMap<string, readonly string[]>

/** Throws kind 'invalid' when it is not such JSON, or names a filter that is not `accepted`. */
export function parseFilters(query: Query, accepted: readonly string[]): Filters {
  const text = textParameter(query, 'filters')
  if (text === '') return new Map()
  const filters = new Map(Object.entries(parseObject(text)).map(([name, values]) => [name, valuesOf(values)]))
  for (const name of filters.keys()) {
    if (!accepted.includes(name)) {
      throw new TsnetError(
        'invalid',
        'bad-filter',
        `invalid filter '${name}': known here are ${accepted.join(', ')}`,
      )
    }
  }
  return filters
}

function parseObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {
    // The sentence below serves both cases.
  }
  throw malformed()
}

function valuesOf(values: unknown): readonly string[] {
  if (Array.isArray(values) && values.every((value) => typeof value === 'string')) return values
  if (typeof values === 'object' && values !== null && !Array.isArray(values)) return Object.keys(values)
  throw malformed()
}

function malformed(): TsnetError {
  return new TsnetError(
    'invalid',
    'bad-filter',
    'invalid filter: filters must be JSON such as {"label": ["a=b"]}',
  )
}

/** Whether the filter is absent or one of its values satisfies `test`. */
export function matchesAny(filters: Filters, name: string, test: (value: string) => boolean): boolean {
  const values = filters.get(name)
  return values === undefined || values.length === 0 || values.some(test)
}

/** Names match as regular expressions, as in Docker; what is none matches only itself. */
export function matchesName(filters: Filters, name: string, subject: string): boolean {
  return matchesAny(filters, name, (value) => {
    if (value === subject) return true
    try {
      return new RegExp(value).test(subject)
    } catch {
      return false
    }
  })
}

/** All of the labels `key` or `key=value` must be there. */
export function matchesLabels(filters: Filters, labels: Labels): boolean {
  return (filters.get('label') ?? []).every((wanted) => {
    const equals = wanted.indexOf('=')
    if (equals < 0) return Object.hasOwn(labels, wanted)
    return labels[wanted.slice(0, equals)] === wanted.slice(equals + 1)
  })
}

/** What `label!` rules out: what has all of these labels. */
export function matchesLabelsNot(filters: Filters, labels: Labels): boolean {
  const unwanted = filters.get('label!') ?? []
  return unwanted.length === 0 || !matchesLabels(new Map([['label', unwanted]]), labels)
}

/**
 * The time before which something must have been made, in milliseconds since the epoch, or undefined: a time, or how long before `now`
 * in Go's notation (`1h30m`). Throws kind 'invalid'.
 */
export function untilFilter(filters: Filters, now: number): number | undefined {
  const values = filters.get('until') ?? []
  const [value] = values
  if (value === undefined) return undefined
  if (values.length > 1) throw new TsnetError('invalid', 'bad-filter', 'more than one until filter specified')
  const back = parseDuration(value)
  const time =
    back !== undefined ? now - back : /^\d+(\.\d+)?$/.test(value) ? Number(value) * 1000 : Date.parse(value)
  if (!Number.isNaN(time)) return time
  throw new TsnetError('invalid', 'bad-filter', `failed to parse value as time or duration: "${value}"`)
}

/** A filter that is true or false; undefined when it is absent. Throws kind 'invalid' for other values. */
export function booleanFilter(filters: Filters, name: string): boolean | undefined {
  const values = filters.get(name)
  if (values === undefined || values.length === 0) return undefined
  const [value = ''] = values
  if (values.length === 1 && /^(1|true)$/.test(value)) return true
  if (values.length === 1 && /^(0|false)$/.test(value)) return false
  throw new TsnetError(
    'invalid',
    'bad-filter',
    `invalid filter '${name}=[${values.join(' ')}]': it must be true or false`,
  )
}
