/** Durations in Go's notation: `90s`, `1h30m`, `1.5h`. */

/** milliseconds */
const units: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}
const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g
const whole = new RegExp(`^(${part.source})+$`)

/** Milliseconds; undefined for what is no duration. */
export function parseDuration(text: string): number | undefined {
  if (!whole.test(text)) return undefined
  const parts = [...text.matchAll(part)].map(([, number, unit = '']) => Number(number) * (units[unit] ?? 0))
  return parts.reduce((sum, one) => sum + one, 0)
}
