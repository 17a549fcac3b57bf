/** Records of pax(1)'s extended headers: `<length> <keyword>=<value>\n`, where the length counts the whole record. */

export type PaxRecords = ReadonlyMap<string, string>

export const xattrPrefix = 'SCHILY.xattr.'

/** null when the text does not parse. Each character is a byte. */
export function parsePax(text: string): PaxRecords | null {
  const records = new Map<string, string>()
  for (let start = 0; start < text.length; ) {
    const space = text.indexOf(' ', start)
    const length = Number(text.slice(start, space))
    const equals = text.indexOf('=', space)
    const end = start + length
    if (!Number.isInteger(length) || space < 0 || equals < 0 || equals >= end || text[end - 1] !== '\n')
      return null
    records.set(text.slice(space + 1, equals), text.slice(equals + 1, end - 1))
    start = end
  }
  return records
}

export function formatPax(keyword: string, value: string): string {
  const rest = keyword.length + value.length + 3
  // The length's own digits count too, and may make it longer by one more.
  let length = rest + String(rest).length
  if (String(length).length > String(rest).length) length = rest + String(length).length
  return `${length} ${keyword}=${value}\n`
}

/** Decimal seconds of any precision; null when the text is not a time. */
export function parseTime(text: string): bigint | null {
  const match = /^(-?)(\d{1,12})(?:\.(\d*))?$/.exec(text)
  if (match === null) return null
  const [, sign, seconds = '', fraction = ''] = match
  const size = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'))
  return sign === '-' ? -size : size
}

/** Nanoseconds as decimal seconds, with as many digits as are needed. */
export function formatTime(nanoseconds: bigint): string {
  const size = nanoseconds < 0n ? -nanoseconds : nanoseconds
  const seconds = `${nanoseconds < 0n ? '-' : ''}${size / 1_000_000_000n}`
  let fraction = Number(size % 1_000_000_000n)
  if (fraction === 0) return seconds
  let digits = 9
  for (; fraction % 10 === 0; fraction /= 10) digits--
  return `${seconds}.${String(fraction).padStart(digits, '0')}`
}
