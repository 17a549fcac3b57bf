import { expect, test } from 'vitest'
import { become } from '../helpers/become.ts'

const limits = (rlimits: { name: string; soft: number; hard: number }[]) =>
  become({ rlimits, argv: ['/bin/busybox', 'cat', '/proc/self/limits'] }).stdout

test('a program has the soft and hard limits it was given', () => {
  const text = limits([
    { name: 'nofile', soft: 100, hard: 200 },
    { name: 'core', soft: 0, hard: 0 },
    { name: 'fsize', soft: 5_000_000_000, hard: 6_000_000_000 },
  ])
  expect(text).toMatch(/^Max open files +100 +200 /m)
  expect(text).toMatch(/^Max core file size +0 +0 /m)
  expect(text).toMatch(/^Max file size +5000000000 +6000000000 /m)
})

test('-1 is unlimited', () => {
  expect(limits([{ name: 'cpu', soft: -1, hard: -1 }])).toMatch(/^Max cpu time +unlimited +unlimited /m)
})

test('a limit holds for what the program does', () => {
  const { stdout } = become({
    rlimits: [{ name: 'nofile', soft: 5, hard: 5 }],
    argv: [
      '/bin/busybox',
      'sh',
      '-c',
      'exec 3</dev/null 4</dev/null && echo two; exec 5</dev/null && echo three',
    ],
  })
  expect(stdout).toBe('two\n')
})
