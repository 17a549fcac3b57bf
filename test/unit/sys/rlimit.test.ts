import { expect, test } from 'vitest'
import { checkRlimit } from '../../../src/sys/rlimit.ts'

test.each([
  [{ name: 'nofile', soft: 1, hard: 2 }],
  [{ name: 'nofile', soft: 2, hard: 2 }],
  [{ name: 'core', soft: 0, hard: -1 }],
  [{ name: 'memlock', soft: -1, hard: -1 }],
])('accepts %j', (limit) => {
  expect(() => checkRlimit(limit)).not.toThrow()
})

test.each([
  [{ name: 'files', soft: 1, hard: 1 }, 'invalid ulimit type: files'],
  [{ name: 'toString', soft: 1, hard: 1 }, 'invalid ulimit type: toString'],
  [{ name: 'nofile', soft: 3, hard: 2 }, 'ulimit soft limit must be less than or equal to hard limit: 3 > 2'],
  [
    { name: 'nofile', soft: -1, hard: 2 },
    'ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: 2',
  ],
])('refuses %j', (limit, message) => {
  expect(() => checkRlimit(limit)).toThrow(message)
})
