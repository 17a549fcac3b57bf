import { describe, expect, test } from 'vitest'
import {
  booleanFilter,
  matchesAny,
  matchesLabels,
  matchesName,
  parseFilters,
} from '../../../src/api/filters.ts'

const parse = (text: string) => parseFilters({ filters: text }, ['label', 'name', 'dangling'])

describe('filters', () => {
  test('may be lists, or the sets that older clients send', () => {
    expect(parse('{"name":["a","b"]}').get('name')).toEqual(['a', 'b'])
    expect(parse('{"name":{"a":true,"b":true}}').get('name')).toEqual(['a', 'b'])
  })

  test('are none when nothing is given', () => {
    expect(parseFilters({}, []).size).toBe(0)
  })

  test.each(['{', '[]', '5', 'null', '{"name":"a"}', '{"name":[1]}'])('are not %s', (text) => {
    expect(() => parse(text)).toThrow('invalid filter: filters must be JSON such as {"label": ["a=b"]}')
  })

  test('of another name are refused with the known ones', () => {
    expect(() => parse('{"colour":["red"]}')).toThrow(
      "invalid filter 'colour': known here are label, name, dangling",
    )
  })
})

test('one fitting value is enough, and an absent filter fits all', () => {
  const filters = parse('{"name":["a","b"]}')
  expect(matchesAny(filters, 'name', (value) => value === 'b')).toBe(true)
  expect(matchesAny(filters, 'name', (value) => value === 'c')).toBe(false)
  expect(matchesAny(filters, 'label', () => false)).toBe(true)
})

describe('a name', () => {
  test.each([
    ['web', 'web-1', true],
    ['^web$', 'web-1', false],
    ['^/?web', 'web-1', true],
    ['a[', 'a[', true],
    ['a[', 'b', false],
  ])('%s on %s: %s', (pattern, name, matches) => {
    expect(matchesName(parse(JSON.stringify({ name: [pattern] })), 'name', name)).toBe(matches)
  })
})

describe('labels', () => {
  test.each([
    [['a'], true],
    [['a=1'], true],
    [['a=2'], false],
    [['a', 'b=x=y'], true],
    [['a', 'c'], false],
    [['toString'], false],
  ])('%j: %s', (label, matches) => {
    expect(matchesLabels(parse(JSON.stringify({ label })), { a: '1', b: 'x=y' })).toBe(matches)
  })
})

describe('a filter of true or false', () => {
  test.each([
    ['["true"]', true],
    ['["1"]', true],
    ['["false"]', false],
    ['["0"]', false],
    ['[]', undefined],
  ])('%s is %s', (values, expected) => {
    expect(booleanFilter(parse(`{"dangling":${values}}`), 'dangling')).toBe(expected)
  })

  test('is nothing else', () => {
    expect(() => booleanFilter(parse('{"dangling":["True"]}'), 'dangling')).toThrow(
      "invalid filter 'dangling=[True]': it must be true or false",
    )
    expect(() => booleanFilter(parse('{"dangling":["true","false"]}'), 'dangling')).toThrow(
      "invalid filter 'dangling=[true false]': it must be true or false",
    )
  })
})
