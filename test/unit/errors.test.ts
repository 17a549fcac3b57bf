import { expect, test } from 'vitest'
import { errorKind, errorMessage, TsnetError } from '../../src/errors.ts'

test('an error carries its kind, its code and what caused it', () => {
  const cause = new Error('disk')
  const error = new TsnetError('conflict', 'name-in-use', 'the name is taken', { cause })
  expect(error).toMatchObject({ name: 'TsnetError', kind: 'conflict', code: 'name-in-use', cause })
  expect(String(error)).toBe('TsnetError: the name is taken')
})

test('what is not tsnet’s own error is internal', () => {
  expect(errorKind(new TsnetError('invalid', 'a', 'b'))).toBe('invalid')
  expect(errorKind(new Error('x'))).toBe('internal')
  expect(errorKind('x')).toBe('internal')
})

test.each([
  [new Error('one'), 'one'],
  ['text', 'text'],
  [undefined, 'undefined'],
  [
    new AggregateError([new Error('one'), new AggregateError(['two', new Error('three')])], 'all'),
    'one; two; three',
  ],
  [new AggregateError([], 'nothing in it'), 'nothing in it'],
])('the message of %j is %j', (error, message) => {
  expect(errorMessage(error)).toBe(message)
})

test('a failure that could not be undone is still told as that failure', () => {
  const failure = new TsnetError('conflict', 'port-allocated', 'the port is taken')
  const once = new SuppressedError(new Error('no rules'), failure)
  const twice = new SuppressedError(new Error('no bridge'), once)
  expect(errorKind(twice)).toBe('conflict')
  expect(errorMessage(twice)).toBe(
    'the port is taken (undoing it failed: no rules) (undoing it failed: no bridge)',
  )
})
