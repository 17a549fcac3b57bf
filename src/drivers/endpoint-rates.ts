/** Options that say how fast an endpoint may send and receive. Pure. */
import { TsnetError } from '../errors.ts'
import type { RateLimit } from '../netlink/qdisc.ts'
import type { Labels } from '../store/records.ts'

export interface Rates {
  /** What the container sends, null for as fast as it can. */
  readonly out: RateLimit | null
  /** What it receives. */
  readonly in: RateLimit | null
}

export const rateOptions = { out: 'tsnet.endpoint.rate_out', in: 'tsnet.endpoint.rate_in' } as const

/** Throws kind 'invalid'. */
export function parseRates(options: Labels): Rates {
  return { out: parseRate(options[rateOptions.out]), in: parseRate(options[rateOptions.in]) }
}

/** bits, as tc(8) spells them */
const rateUnits: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 }
/** bytes */
const sizeUnits: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20 }

/** The queueing discipline counts bytes a second in 32 bits. */
const highestRate = 2 ** 32 - 1
/** bytes; less than a full frame would never pass */
const lowestBurst = 2048
/** bytes; as much as one segmented send of TCP's */
const usualBurst = 65_536

/** `50mbit` or `50mbit,burst=128k`; '' takes a limit away. */
function parseRate(text = ''): RateLimit | null {
  if (text === '') return null
  const match = /^(\d+(?:\.\d+)?)([kmg]?bit)(?:,burst=(\d+)([km]?))?$/i.exec(text)
  if (match === null) throw bad(text)
  const [, number, unit = '', burst, burstUnit = ''] = match
  const rate = Math.round((Number(number) * rateUnits[unit.toLowerCase()]!) / 8)
  if (rate < 1 || rate > highestRate) throw bad(text)
  // A hundredth of a second's worth, so that a fast limit is not held up by the clock's steps.
  const size =
    burst === undefined
      ? Math.max(usualBurst, Math.round(rate / 100))
      : Number(burst) * sizeUnits[burstUnit.toLowerCase()]!
  if (size < lowestBurst || size > highestRate) throw bad(text)
  return { rate, burst: size }
}

function bad(text: string): TsnetError {
  return new TsnetError(
    'invalid',
    'bad-rate',
    `rate ${JSON.stringify(text)} is not understood: wanted is a number with bit, kbit, mbit or gbit, up to 34gbit, as 50mbit, ` +
      'and perhaps a burst of at least 2k, as 50mbit,burst=128k',
  )
}
