import { expect, test } from 'vitest'
import { startFailureStatus } from '../../../src/cli/start-failure.ts'
import { TsnetError } from '../../../src/errors.ts'

test.each([
  ['exec: "nope": executable file not found in $PATH', 127],
  ['exec: "/nope": stat /nope: no such file or directory', 127],
  ['exec: "/etc": permission denied', 126],
  ['exec: "/etc": is a directory: permission denied', 126],
  ['Conflict. The container name "/web" is already in use', 125],
] as const)('%s ends with %i', (words, status) => {
  expect(startFailureStatus(new TsnetError('invalid', 'api', `Error response from daemon: ${words}`))).toBe(
    status,
  )
})

test('a file of the client’s that is missing says nothing about the program', () => {
  expect(
    startFailureStatus(new TsnetError('invalid', 'flag-value', 'open x: no such file or directory')),
  ).toBe(125)
})
