import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parsePax } from '../../../src/images/tar-entry.ts'

/** As pax(1) defines it: the length counts itself. */
function encodePax(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = rest.length
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return `${length}${rest}`
}

const bytes = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) })
const key = fc.stringMatching(/^[A-Za-z.]{1,20}$/)

test('keeps every byte of every value', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(key, bytes)), (records) => {
      const text = records.map(([name, value]) => encodePax(name, value)).join('')
      expect([...parsePax(text)]).toEqual([...new Map(records)])
    }),
  )
})

test.each(['0 a=b\n', '-5 a=b\n', '99 a=b\n', '6 a=b', 'x a=b\n', '6 abc\n', '1e1 a=bcd\n '])(
  'refuses the record %j',
  (text) => {
    expect(() => parsePax(text)).toThrow('its records do not parse')
  },
)
