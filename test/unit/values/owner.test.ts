import { expect, test } from 'vitest'
import { parseOwner } from '../../../src/values/owner.ts'

test('an owner is the number of a user and that of a group', () => {
  expect(parseOwner('1000:100')).toEqual({ uid: 1000, gid: 100 })
  expect(parseOwner('0:4294967294')).toEqual({ uid: 0, gid: 4294967294 })
})

test.each(['', '1000', 'root:root', '1:2:3', '-1:0', '4294967295:0', ' 1:1', '1:1\n'])(
  '%j is no owner',
  (text) => {
    expect(() => parseOwner(text)).toThrow(`invalid owner '${text}': give the numbers of a user and a group`)
  },
)
