import { badValue } from './bad-value.ts'
import { cut } from './cut.ts'

/** In the API's words; -1 is unlimited. */
export interface Ulimit {
  readonly Name: string
  readonly Soft: number
  readonly Hard: number
}

// The names setrlimit(2) knows, without RLIMIT_.
const names = new Set(
  'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(
    ' ',
  ),
)

/** Reads `name=soft[:hard]`; -1 is unlimited. */
export function parseUlimit(text: string): Ulimit {
  const [name, limits] = cut(text, '=')
  if (limits === undefined || limits === '') throw badValue(`invalid ulimit argument: ${text}`)
  if (!names.has(name)) throw badValue(`invalid ulimit type: ${name}`)
  const values = limits.split(':')
  if (values.length > 2) {
    throw badValue(`too many limit value arguments - ${limits}, can only have up to two, \`soft[:hard]\``)
  }
  const Soft = parseLimit(values[0]!)
  const Hard = values[1] === undefined ? Soft : parseLimit(values[1])
  const isSoftAbove = Hard !== -1 && (Soft === -1 || Soft > Hard)
  if (isSoftAbove) {
    throw badValue(`ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`)
  }
  return { Name: name, Soft, Hard }
}

function parseLimit(text: string): number {
  if (/^(-1|\d+)$/.test(text)) return Number(text)
  throw badValue(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
}
