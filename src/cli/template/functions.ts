/** The functions a template may call: Go's own and those that Docker adds. */
import { badValue } from '../values/bad-value.ts'
import { formatValue } from './value.ts'

// biome-ignore lint/suspicious/noExplicitAny: a template passes whatever it holds; what does not fit is the template's error
export type TemplateFunction = (...args: any[]) => unknown
export type FunctionTable = Readonly<Record<string, TemplateFunction>>

/** Go's truth: not false, zero, '', nothing, or empty. */
export function isTrue(value: unknown): boolean {
  if (value === null || value === undefined) return false
  if (typeof value === 'object') return Object.keys(value).length > 0
  return Boolean(value)
}

/** Maps to fields of arrays and objects; a missing one is '' as Go's zero value of a string map. */
function index(value: unknown, ...keys: (string | number)[]): unknown {
  return keys.reduce<unknown>((inside, key) => {
    if (inside === null || typeof inside !== 'object')
      throw badValue(`error calling index: cannot index ${formatValue(inside)}`)
    const found = (inside as Record<string | number, unknown>)[key]
    if (found === undefined && Array.isArray(inside))
      throw badValue(`error calling index: index out of range: ${key}`)
    return found ?? ''
  }, value)
}

function length(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  if (value === null || typeof value !== 'object')
    throw badValue(`error calling len: len of ${formatValue(value)}`)
  return Object.keys(value).length
}

function join(items: readonly unknown[] | null, separator: string): string {
  return (items ?? []).map(formatValue).join(separator)
}

function pad(text: string, before: number, after: number): string {
  return text === '' ? '' : ' '.repeat(before) + text + ' '.repeat(after)
}

/** The verbs and flags of Go's printf that make sense for text. */
function printf(format: string, ...args: unknown[]): string {
  return format.replace(
    /%([-0+ ]*)(\d*)(?:\.(\d+))?([a-zA-Z%])/g,
    (_all, flags: string, width: string, precision: string | undefined, verb: string) => {
      if (verb === '%') return '%'
      if (args.length === 0) return `%!${verb}(MISSING)`
      const text = formatVerb(verb, args.shift(), precision)
      if (flags.includes('-')) return text.padEnd(Number(width))
      return text.padStart(Number(width), flags.includes('0') ? '0' : ' ')
    },
  )
}

function formatVerb(verb: string, value: unknown, precision: string | undefined): string {
  if (verb === 'q') return JSON.stringify(value)
  if (verb === 'x')
    return typeof value === 'number' ? value.toString(16) : Buffer.from(formatValue(value)).toString('hex')
  if (verb === 'f') return Number(value).toFixed(Number(precision ?? 6))
  const text = formatValue(value)
  return precision === undefined ? text : text.slice(0, Number(precision))
}

function titleCase(text: string): string {
  return text.replace(/(^|\s)(\S)/g, (_all, space: string, letter: string) => space + letter.toUpperCase())
}

/** Go takes a pipe's value as the last argument, so that order matters: `.Env | join ","` would join the wrong way. */
export const functions: FunctionTable = {
  and: (...values) => values.find((value) => !isTrue(value)) ?? values.at(-1),
  or: (...values) => values.find(isTrue) ?? values.at(-1),
  not: (value) => !isTrue(value),
  eq: (value, ...others) => others.some((other) => value === other),
  ne: (one, other) => one !== other,
  lt: (one, other) => one < other,
  le: (one, other) => one <= other,
  gt: (one, other) => one > other,
  ge: (one, other) => one >= other,
  index,
  len: length,
  slice: (value: string | unknown[], from: number, to?: number) => value.slice(from, to),
  print: (...values) => values.map(formatValue).join(''),
  println: (...values) => `${values.map(formatValue).join(' ')}\n`,
  printf,
  json: (value) => JSON.stringify(value),
  join,
  split: (text: string, separator: string) => text.split(separator),
  lower: (text: string) => text.toLowerCase(),
  upper: (text: string) => text.toUpperCase(),
  title: titleCase,
  pad,
  truncate: (text: string, width: number) => text.slice(0, width),
}

/** For a table's head line, where the names of columns stand in for values. */
export const headerFunctions: FunctionTable = {
  ...functions,
  ...Object.fromEntries(
    ['json', 'split', 'join', 'title', 'lower', 'upper', 'truncate'].map((name) => [
      name,
      (header: string) => header,
    ]),
  ),
}
