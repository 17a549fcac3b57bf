import { describe, expect, test } from 'vitest'
import { answerTo, statusOfKind } from '../../../src/api/errors.ts'
import { type ErrorKind, TsnetError } from '../../../src/errors.ts'

describe('an error', () => {
  test.each(Object.entries(statusOfKind))('of kind %s is status %i with its message', (kind, status) => {
    const error = new TsnetError(kind as ErrorKind, 'some-code', 'something is wrong')
    expect(answerTo(error)).toEqual({ status, message: 'something is wrong' })
  })

  test('that is not ours is internal', () => {
    expect(answerTo(new Error('boom'))).toEqual({ status: 500, message: 'boom' })
    expect(answerTo('boom')).toEqual({ status: 500, message: 'boom' })
  })

  test('of several is told with all of them', () => {
    const error = new AggregateError([new Error('one'), new Error('two')])
    expect(answerTo(error)).toEqual({ status: 500, message: 'one; two' })
  })

  test('of the router that blames the client keeps its status', () => {
    const error = Object.assign(new Error('too large'), {
      code: 'FST_ERR_CTP_BODY_TOO_LARGE',
      statusCode: 413,
    })
    expect(answerTo(error)).toEqual({ status: 413, message: 'too large' })
  })

  test('of a foreign library never passes its own status on', () => {
    const error = Object.assign(new Error('odd'), { code: 'ODD', statusCode: 418 })
    expect(answerTo(error).status).toBe(500)
  })
})
