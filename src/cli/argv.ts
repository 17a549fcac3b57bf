/**
 * Docker's flag grammar (that of pflag): `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`, groups of short
 * flags as in `-itd`, booleans with a value as in `--rm=false`, `--` as the end of flags. Node's own `parseArgs` and
 * commander know neither booleans with a value nor Docker's error texts.
 */
import { TsnetError } from '../errors.ts'
import { badValue } from './values/bad-value.ts'
import { cut } from './values/cut.ts'

/** A flag as a command declares it; how it is spelled on the command line is the name under which a table holds it. */
export interface Flag<T> {
  readonly short?: string
  /** the word for the value in the help text; '' for a boolean */
  readonly placeholder: string
  readonly help: string
  readonly hidden?: true
  readonly initial: T
  /** what the flag means when no value is joined to it; without it the next argument is the value */
  readonly bare?: string
  /** Takes one occurrence; throws what is wrong with `text`. */
  readonly take: (text: string, before: T) => T
}

// biome-ignore lint/suspicious/noExplicitAny: a table of flags holds flags of any type; FlagValues gives each its own back
export type FlagTable = Readonly<Record<string, Flag<any>>>
/** What was given, or what counts when nothing was, each in the type of its flag. */
export type FlagValues<F extends FlagTable> = {
  readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never
}

export interface Parsed<F extends FlagTable> {
  readonly values: FlagValues<F>
  /** the names of the flags that were given at all */
  readonly given: ReadonlySet<string>
  readonly rest: readonly string[]
}

interface Reading {
  readonly table: FlagTable
  readonly values: Record<string, unknown>
  readonly given: Set<string>
  /** arguments not yet read, the next one first */
  readonly queue: string[]
}

/**
 * Reads flags from `args`. With `interspersed` false everything from the first argument that is no flag belongs to `rest`,
 * which is what `run IMAGE COMMAND --its-own-flags` needs. Throws with pflag's texts.
 */
export function parseFlags<F extends FlagTable>(
  table: F,
  args: readonly string[],
  interspersed = true,
): Parsed<F> {
  const initial = Object.entries(table).map(([name, flag]) => [name, flag.initial])
  const reading: Reading = { table, values: Object.fromEntries(initial), given: new Set(), queue: [...args] }
  const rest: string[] = []
  for (let arg = reading.queue.shift(); arg !== undefined; arg = reading.queue.shift()) {
    if (arg === '--') {
      rest.push(...reading.queue.splice(0))
    } else if (arg.startsWith('--')) {
      readLong(reading, arg)
    } else if (arg.startsWith('-') && arg !== '-') {
      readShorts(reading, arg)
    } else {
      rest.push(arg)
      if (!interspersed) rest.push(...reading.queue.splice(0))
    }
  }
  return { values: reading.values as FlagValues<F>, given: reading.given, rest }
}

function readLong(reading: Reading, arg: string): void {
  const equals = arg.indexOf('=')
  const name = equals < 0 ? arg.slice(2) : arg.slice(2, equals)
  if (name === '' || name.startsWith('-')) throw flagError(`bad flag syntax: ${arg}`)
  const flag = Object.hasOwn(reading.table, name) ? reading.table[name] : undefined
  if (!flag) throw flagError(`unknown flag: --${name}`)
  const joined = equals < 0 ? undefined : arg.slice(equals + 1)
  const text = joined ?? flag.bare ?? reading.queue.shift()
  if (text === undefined) throw flagError(`flag needs an argument: --${name}`)
  set(reading, name, flag, text)
}

function readShorts(reading: Reading, arg: string): void {
  for (let at = 1; at < arg.length; at++) {
    const letter = arg[at]!
    const found = Object.entries(reading.table).find(([, flag]) => flag.short === letter)
    if (!found)
      throw flagError(`unknown shorthand flag: '${letter}' in ${at === 1 ? arg : `-${arg.slice(at)}`}`)
    const [name, flag] = found
    if (flag.bare === undefined || arg[at + 1] === '=') {
      set(reading, name, flag, shortValue(reading, arg, at))
      return
    }
    set(reading, name, flag, flag.bare)
  }
}

/** The value of the short flag at `at`: the rest of the argument, or the next one. */
function shortValue(reading: Reading, arg: string, at: number): string {
  const tail = arg.slice(at + 1)
  const text = tail === '' ? reading.queue.shift() : tail.replace(/^=/, '')
  if (text === undefined) throw flagError(`flag needs an argument: '${arg[at]}' in -${arg.slice(at)}`)
  return text
}

function set(reading: Reading, name: string, flag: Flag<unknown>, text: string): void {
  try {
    reading.values[name] = flag.take(text, reading.values[name])
  } catch (error) {
    const shown = flag.short === undefined ? `--${name}` : `-${flag.short}, --${name}`
    const reason = error instanceof Error ? error.message : String(error)
    throw flagError(`invalid argument ${JSON.stringify(text)} for "${shown}" flag: ${reason}`)
  }
  reading.given.add(name)
}

function flagError(message: string): TsnetError {
  return new TsnetError('invalid', 'flag', message)
}

type Extra = Pick<Flag<unknown>, 'short' | 'hidden'>

/** A switch; `--name=false` turns it off. */
export function toggle(help: string, extra: Extra & { on?: true } = {}): Flag<boolean> {
  const { on, ...rest } = extra
  return { ...rest, placeholder: '', help, initial: on ?? false, bare: 'true', take: parseBoolean }
}

/** A flag with one value that is taken as it is; given twice, the last one counts. */
export function text(
  help: string,
  extra: Extra & { initial?: string; placeholder?: string } = {},
): Flag<string> {
  return { placeholder: 'string', initial: '', ...extra, help, take: (value) => value }
}

/** A flag with a whole number, in the notations of Go that people use: decimal and hexadecimal. */
export function integer(help: string, extra: Extra & { initial?: number } = {}): Flag<number> {
  return { placeholder: 'int', initial: 0, ...extra, help, take: parseInteger }
}

/** A flag with one value that `parse` reads. */
export function value<T>(
  help: string,
  placeholder: string,
  initial: T,
  parse: (text: string, before: T) => T,
  extra: Extra = {},
): Flag<T> {
  return { ...extra, placeholder, help, initial, take: parse }
}

/** A flag that may be given many times. */
export function list<T = string>(
  help: string,
  extra: Extra & { placeholder?: string; parse?: (text: string) => T } = {},
): Flag<readonly T[]> {
  const { parse = (one: string) => one as T, ...rest } = extra
  return { placeholder: 'list', ...rest, help, initial: [], take: (one, before) => [...before, parse(one)] }
}

/** A flag of `key=value` pairs; a later pair replaces an earlier one of the same key. */
export function map(
  help: string,
  extra: Extra & { check?: (text: string) => void } = {},
): Flag<Readonly<Record<string, string>>> {
  const { check, ...rest } = extra
  const take = (pair: string, before: Readonly<Record<string, string>>) => {
    check?.(pair)
    const [key, content] = cut(pair, '=')
    return { ...before, [key]: content ?? '' }
  }
  return { placeholder: 'map', ...rest, help, initial: {}, take }
}

function parseBoolean(given: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(given)) return true
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(given)) return false
  throw badValue(`strconv.ParseBool: parsing ${JSON.stringify(given)}: invalid syntax`)
}

function parseInteger(given: string): number {
  const number = /^[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)$/.test(given) ? Number(given) : Number.NaN
  if (Number.isSafeInteger(number)) return number
  throw badValue(`strconv.ParseInt: parsing ${JSON.stringify(given)}: invalid syntax`)
}
