import { describe, expect, test } from 'vitest'
import { parseRates } from '../../../src/drivers/endpoint-rates.ts'

const out = (text: string) => parseRates({ 'tsnet.endpoint.rate_out': text }).out

describe('rates of an endpoint', () => {
  test('are none unless they are given', () => {
    expect(parseRates({})).toEqual({ out: null, in: null })
    expect(parseRates({ 'tsnet.endpoint.rate_in': '', other: 'x' })).toEqual({ out: null, in: null })
  })

  test.each([
    ['8bit', 1, 65_536],
    ['50mbit', 6_250_000, 65_536],
    ['1.5Gbit', 187_500_000, 1_875_000],
    ['100kbit,burst=2k', 12_500, 2048],
    ['100kbit,burst=1M', 12_500, 2 ** 20],
  ])('of %s are bytes a second and bytes', (text, rate, burst) => {
    expect(out(text)).toEqual({ rate, burst })
    expect(parseRates({ 'tsnet.endpoint.rate_in': text }).in).toEqual({ rate, burst })
  })

  test.each(['50', '50mb', 'fast', '-1mbit', '0bit', '35gbit', '1mbit,burst=100', '1mbit,burst=x', ' 1mbit'])(
    'of %j are refused with what would be right',
    (text) => {
      const sentence = `rate ${JSON.stringify(text)} is not understood: wanted is a number with bit, kbit, mbit or gbit`
      expect(() => out(text)).toThrow(
        expect.objectContaining({ kind: 'invalid', message: expect.stringContaining(sentence) }),
      )
    },
  )
})
