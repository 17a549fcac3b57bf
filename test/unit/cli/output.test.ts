import { describe, expect, test } from 'vitest'
import { alignColumns, ellipsis, formatLabels, formatList, shortId } from '../../../src/cli/output.ts'

interface Thing {
  readonly name: string
  readonly labels: Readonly<Record<string, string>> | null
}

const listing = {
  columns: {
    Name: ['NAME', ({ name }: Thing) => name],
    Length: ['LENGTH', ({ name }: Thing) => String(name.length)],
    Broken: [
      'BROKEN',
      (): string => {
        throw new Error('nobody asked for this cell')
      },
    ],
  } as const,
  table: '{{.Name}}\t{{.Length}}',
  quiet: '{{.Name}}',
  labels: ({ labels }: Thing) => labels,
}
const things: Thing[] = [
  { name: 'short', labels: { 'com.example.my-role': 'web' } },
  { name: 'rather-a-long-one', labels: null },
]

const { Broken: _, ...columns } = listing.columns
const whole = { ...listing, columns }

describe('formatList', () => {
  test('aligns a table', () => {
    expect(formatList(whole, things, '', false)).toBe(
      ['NAME                LENGTH', 'short               5', 'rather-a-long-one   17'].join('\n'),
    )
  })

  test('prints the head of an empty table, and of anything else nothing', () => {
    expect(formatList(whole, [], 'table', false)).toBe('NAME      LENGTH')
    expect(formatList(whole, [], '', true)).toBe('')
    expect(formatList(whole, [], '{{.Name}}', false)).toBe('')
  })

  test('takes a table of one’s own, with heads for its columns and labels', () => {
    expect(
      formatList(whole, things.slice(0, 1), 'table {{.Length}}\\t{{.Label "com.example.my-role"}}', false),
    ).toBe('LENGTH    my role\n5         web')
  })

  test('leaves heads alone that a function would change', () => {
    expect(formatList(whole, things.slice(0, 1), 'table {{upper .Name}}', false)).toBe('NAME\nSHORT')
  })

  test('prints a line of JSON each', () => {
    expect(formatList(whole, things.slice(0, 1), 'json', false)).toBe('{"Length":"5","Name":"short"}')
  })

  test('prints names alone when quiet', () => {
    expect(formatList(whole, things, '', true)).toBe('short\nrather-a-long-one')
  })

  test('works out only the cells that are printed', () => {
    expect(formatList(listing, things.slice(0, 1), '{{.Name}}', false)).toBe('short')
  })

  test('refuses a column that is not there', () => {
    expect(() => formatList(whole, things, '{{.Nope}}', false)).toThrow('map has no entry for key "Nope"')
  })
})

test('a cell that holds a line break starts a line', () => {
  expect(alignColumns(['a\tb\nc\td'])).toEqual(['a         b', 'c         d'])
})

test('what is cut ends in an ellipsis within the width', () => {
  expect(ellipsis('twenty characters or', 20)).toBe('twenty characters or')
  expect(ellipsis('twenty-one characters', 20)).toBe('twenty-one characte…')
})

test('an id is cut to twelve digits without its algorithm', () => {
  expect(shortId('sha256:0123456789abcdef')).toBe('0123456789ab')
})

test('labels are joined in order', () => {
  expect(formatLabels({ b: '2', a: '1' })).toBe('a=1,b=2')
  expect(formatLabels(null)).toBe('')
})
