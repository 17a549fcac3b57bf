import { expect, test } from 'vitest'
import { parseBytes, parseCpus, parseSwapBytes } from '../../../../src/cli/values/size.ts'

test.each([
  ['0', 0],
  ['512', 512],
  ['512b', 512],
  ['1k', 1024],
  ['64M', 64 * 2 ** 20],
  ['1.5g', 1.5 * 2 ** 30],
  ['2 GiB', 2 * 2 ** 30],
  ['3mb', 3 * 2 ** 20],
])('%s is %i bytes', (text, bytes) => {
  expect(parseBytes(text)).toBe(bytes)
})

test.each(['', 'x', '-1', '1kk', '1 zb', '1e3'])('%j is no size', (text) => {
  expect(() => parseBytes(text)).toThrow(`invalid size: '${text}'`)
})

test('swap may be without limit', () => {
  expect(parseSwapBytes('-1')).toBe(-1)
  expect(parseSwapBytes('1k')).toBe(1024)
})

test.each([
  ['1', 1e9],
  ['1.5', 1.5e9],
  ['.5', 5e8],
  ['0.1', 1e8],
  ['3/2', 1.5e9],
  ['0.000000001', 1],
])('%s CPUs are %i billionths', (text, nano) => {
  expect(parseCpus(text)).toBe(nano)
})

test('CPUs finer than a billionth are refused, and so are words', () => {
  expect(() => parseCpus('0.0000000001')).toThrow('value is too precise')
  expect(() => parseCpus('1/3')).toThrow('value is too precise')
  expect(() => parseCpus('many')).toThrow('failed to parse many as a rational number')
  expect(() => parseCpus('1/0')).toThrow('failed to parse 1/0 as a rational number')
})
