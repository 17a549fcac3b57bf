/** Quantities as Docker writes them for people. */

const decimal = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
const binary = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** `1.24MB`: powers of 1000, `digits` significant ones. */
export function formatSize(bytes: number, digits = 3): string {
  return scale(bytes, 1000, decimal, digits)
}

/** `7.7GiB`: powers of 1024, four significant digits. */
export function formatBinarySize(bytes: number): string {
  return scale(bytes, 1024, binary, 4)
}

function scale(bytes: number, base: number, names: readonly string[], digits: number): string {
  let amount = bytes
  let step = 0
  while (amount >= base && step < names.length - 1) {
    amount /= base
    step++
  }
  return `${significant(amount, digits)}${names[step]}`
}

/** As Go's %.Ng: no trailing zeros, and an exponent where the integer part has more than `digits` digits. */
function significant(amount: number, digits: number): string {
  const text = amount.toPrecision(digits)
  if (text.includes('e')) return text.replace(/\.?0*e\+(\d)$/, 'e+0$1')
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

/** `3 hours ago`: when a time in ISO 8601 was. */
export function formatAge(time: string): string {
  return `${formatDuration((Date.now() - Date.parse(time)) / 1000)} ago`
}

/** `3 hours`: how long it is until a time in ISO 8601. */
export function formatTimeTo(time: string): string {
  return formatDuration((Date.parse(time) - Date.now()) / 1000)
}

/** `About a minute`, `3 hours`: how long `seconds` are. */
export function formatDuration(seconds: number): string {
  const minutes = Math.trunc(seconds / 60)
  // Docker rounds the hours, and what is made of them, and cuts all else.
  const hours = Math.trunc(seconds / 3600 + 0.5)
  if (seconds < 1) return 'Less than a second'
  if (seconds < 2) return '1 second'
  if (seconds < 60) return `${Math.trunc(seconds)} seconds`
  if (minutes === 1) return 'About a minute'
  if (minutes < 60) return `${minutes} minutes`
  if (hours === 1) return 'About an hour'
  if (hours < 48) return `${hours} hours`
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`
  return `${Math.trunc(seconds / 3600 / 24 / 365)} years`
}
