import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LineSplitter } from '../../../src/supervisor/lines.ts'
import { chunked } from './chunks.ts'

test('lines come out whole, in whatever chunks their bytes come in', () => {
  const line = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\n', ' '))
  fc.assert(
    fc.property(fc.array(line), line, chunked.cuts, (whole, rest, cuts) => {
      const bytes = Buffer.from([...whole, rest].join('\n'))
      const splitter = new LineSplitter()
      const lines = chunked.split(bytes, cuts).flatMap((chunk) => splitter.push(chunk))
      expect(lines).toEqual(whole)
      expect(splitter.takeRest().toString()).toBe(rest)
    }),
  )
})

test('what was taken as the rest is gone', () => {
  const splitter = new LineSplitter()
  expect(splitter.push(Buffer.from('{"stream":1}\nraw'))).toEqual(['{"stream":1}'])
  expect(splitter.takeRest().toString()).toBe('raw')
  expect(splitter.takeRest()).toHaveLength(0)
  expect(splitter.push(Buffer.from('next\n'))).toEqual(['next'])
})
