import { constants } from 'node:os'
import { expect, test } from 'vitest'
import { parseSignal, signalName } from '../../../src/sys/signal.ts'

test.each([
  ['TERM', 15],
  ['SIGTERM', 15],
  ['sigterm', 15],
  ['15', 15],
  ['CHLD', 17],
  ['CLD', 17],
  ['RTMIN', 34],
  ['SIGRTMIN+3', 37],
  ['RTMIN+15', 49],
  ['RTMAX-14', 50],
  ['RTMAX', 64],
  ['64', 64],
])('reads %s as %i', (text, number) => {
  expect(parseSignal(text)).toBe(number)
})

test.each(['', '0', '65', '-1', '9.5', 'SIG', 'SIGNOPE', 'RTMIN+16', 'SIGSIGTERM', '1e1'])(
  'refuses %j with the text of Docker',
  (text) => {
    expect(() => parseSignal(text)).toThrow(`Invalid signal: ${text}`)
  },
)

test('names every number by a name that is read as that number again', () => {
  for (let number = 1; number <= 64; number++) {
    if (number === 32 || number === 33) expect(signalName(number)).toBe(String(number))
    else expect(signalName(number)).toMatch(/^SIG[A-Z]/)
    expect(parseSignal(signalName(number))).toBe(number)
  }
})

test('prefers the usual one of several names', () => {
  const { SIGABRT, SIGCHLD, SIGIO } = constants.signals
  expect([SIGABRT, SIGCHLD, SIGIO].map(signalName)).toEqual(['SIGABRT', 'SIGCHLD', 'SIGIO'])
})
