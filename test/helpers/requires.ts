import { test } from 'vitest'

type Test = (title: string, body: () => unknown, timeoutMs?: number) => void

/**
 * vitest's `test` where the machine has `what`; where it has not, one that is left out with that reason, which the
 * run's closing lines print and count: `requires('a 64-bit x86 processor', arch === 'x64')('…', () => …)`.
 */
export function requires(what: string, isThere: boolean): Test {
  if (isThere) return (title, body, timeoutMs) => test(title, body, timeoutMs)
  return (title) => test(title, (context) => context.skip(`needs ${what}`))
}
