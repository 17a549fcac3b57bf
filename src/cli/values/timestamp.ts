import { badValue } from './bad-value.ts'

const seconds: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
}

/** Seconds of Go's notation: `90s`, `1h30m`, `-1.5h`; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  const match = /^([+-]?)((?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+)$/.exec(text)
  if (!match) return undefined
  const parts = [...match[2]!.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)]
  const sum = parts.reduce((total, [, amount, unit]) => total + Number(amount) * seconds[unit!]!, 0)
  return match[1] === '-' ? -sum : sum
}

/**
 * Seconds since the epoch, as the API takes them, of a Unix time, of a date with or without time and zone (the client's own
 * by default), or of a duration back from `now` (milliseconds since the epoch). '' stays ''.
 */
export function parseTimestamp(text: string, now: number): string {
  if (text === '' || /^\d+(\.\d{1,9})?$/.test(text)) return text
  const back = parseDuration(text)
  if (back !== undefined) return formatSeconds(now / 1000 - back)
  const shape = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2})(:\d{2})?(:\d{2})?(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?$/.exec(
    text,
  )
  if (!shape) throw badValue(`failed to parse value as time or duration: ${JSON.stringify(text)}`)
  const [, day, hour = '00', minute = ':00', second = ':00', fraction = '', zone = ''] = shape
  const whole = Date.parse(`${day}T${hour}${minute}${second}${zone}`)
  if (Number.isNaN(whole))
    throw badValue(`failed to parse value as time or duration: ${JSON.stringify(text)}`)
  return `${whole / 1000}${fraction}`
}

function formatSeconds(total: number): string {
  return total.toFixed(3).replace(/\.?0+$/, '')
}
