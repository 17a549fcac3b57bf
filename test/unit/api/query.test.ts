import { describe, expect, test } from 'vitest'
import {
  flagParameter,
  integerParameter,
  listParameter,
  sizeParameter,
  textParameter,
  timeParameter,
} from '../../../src/api/query.ts'

describe('a flag', () => {
  test.each(['1', 'true', 'True', 'yes', 'x'])('is set by %s', (value) => {
    expect(flagParameter({ all: value }, 'all')).toBe(true)
  })

  test.each(['', '0', 'no', 'False', ' none '])('is not set by "%s"', (value) => {
    expect(flagParameter({ all: value }, 'all', true)).toBe(false)
  })

  test('falls back only when it is absent', () => {
    expect(flagParameter({}, 'all')).toBe(false)
    expect(flagParameter({}, 'all', true)).toBe(true)
  })
})

test('a repeated parameter is a list, and its first value the text', () => {
  const query = { names: ['a', 'b'], one: 'c' }
  expect(listParameter(query, 'names')).toEqual(['a', 'b'])
  expect(listParameter(query, 'one')).toEqual(['c'])
  expect(listParameter(query, 'none')).toEqual([])
  expect(textParameter(query, 'names')).toBe('a')
  expect(textParameter(query, 'none')).toBe('')
})

describe('a whole number', () => {
  test.each([
    ['5', 5],
    ['-1', -1],
    ['+2', 2],
  ])('may be %s', (text, value) => {
    expect(integerParameter({ t: text }, 't')).toBe(value)
  })

  test('is null when it is not given', () => {
    expect(integerParameter({}, 't')).toBeNull()
    expect(integerParameter({ t: '' }, 't')).toBeNull()
  })

  test.each(['x', '1.5', '1e3'])('is not %s', (text) => {
    expect(() => integerParameter({ t: text }, 't')).toThrow(
      `invalid value for t: '${text}' is not a whole number`,
    )
  })
})

describe('the size of a terminal', () => {
  test('is a number of 16 bits', () => {
    expect(sizeParameter({ h: '24' }, 'h')).toBe(24)
    expect(sizeParameter({ w: '65535' }, 'w')).toBe(65535)
  })

  test.each([
    ['', 'invalid resize height "": invalid syntax'],
    ['-1', 'invalid resize height "-1": invalid syntax'],
    ['65536', 'invalid resize height "65536": value out of range'],
  ])('is not "%s"', (text, message) => {
    expect(() => sizeParameter({ h: text }, 'h')).toThrow(message)
  })
})

describe('a time', () => {
  test.each([
    ['1700000000.5', 1700000000.5],
    ['2026-01-31T12:00:00Z', 1769860800],
    ['2026-01-31T12:00:00.250+01:00', 1769857200.25],
  ])('%s is that many seconds since 1970', (text, seconds) => {
    expect(timeParameter({ since: text }, 'since')).toBe(seconds)
  })

  test('is 0 when it is not given', () => {
    expect(timeParameter({}, 'since')).toBe(0)
  })

  test('is refused when it is none', () => {
    expect(() => timeParameter({ since: 'soon' }, 'since')).toThrow("invalid value for since: 'soon'")
  })
})
