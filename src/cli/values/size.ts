import { badValue } from './bad-value.ts'

const powers: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4, p: 5 }

/** Bytes of `512`, `64m`, `1.5GiB`, `2 gb`: units are powers of 1024 in every spelling. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?(?:([kmgtp])(?:i?b)?|b)?$/i.exec(text)
  if (!match) throw badValue(`invalid size: '${text}'`)
  return Math.trunc(Number(match[1]) * 1024 ** powers[(match[2] ?? '').toLowerCase()]!)
}

/** As parseBytes; -1 stands for no limit. */
export function parseSwapBytes(text: string): number {
  return text === '-1' ? -1 : parseBytes(text)
}

/** Billionths of a CPU of `1.5` or `3/2`. */
export function parseCpus(text: string): number {
  const match = /^([+-]?\d*\.?\d+|[+-]?\d+\.)(?:\/(\d+))?$/.exec(text)
  const ratio = match ? Number(match[1]) / Number(match[2] ?? 1) : Number.NaN
  if (!Number.isFinite(ratio)) throw badValue(`failed to parse ${text} as a rational number`)
  const nano = ratio * 1e9
  // Doubles cannot hold most decimal fractions: a thousandth of a billionth is rounding, not precision.
  if (Math.abs(nano - Math.round(nano)) > 1e-3) throw badValue('value is too precise')
  return Math.round(nano)
}
