/** Signals by name and number. */
import { constants } from 'node:os'
import { TsnetError } from '../errors.ts'
import { SIGRTMAX, SIGRTMIN } from './constants/signal.ts'

/** Docker's table: the names of signal(7), and real-time signals counted from the nearer end, as kill(1) lists them. */
function signalTable(): Map<string, number> {
  const table = new Map<string, number>([['CLD', constants.signals.SIGCHLD]])
  for (const [name, number] of Object.entries(constants.signals)) table.set(name.slice(3), number)
  for (let offset = 0; offset <= 15; offset++)
    table.set(realtimeName('RTMIN', '+', offset), SIGRTMIN + offset)
  for (let offset = 14; offset >= 0; offset--)
    table.set(realtimeName('RTMAX', '-', offset), SIGRTMAX - offset)
  return table
}

function realtimeName(base: string, sign: string, offset: number): string {
  return offset === 0 ? base : `${base}${sign}${offset}`
}

const numbers = signalTable()
/** Of several names for one number, the first one of signal(7) counts: ABRT before IOT, CHLD before CLD. */
const names = new Map([...numbers].toReversed().map(([name, number]) => [number, name]))
names
  .set(constants.signals.SIGABRT, 'ABRT')
  .set(constants.signals.SIGCHLD, 'CHLD')
  .set(constants.signals.SIGIO, 'IO')

/** The number of `TERM`, `SIGTERM`, `sigterm`, `15` or `RTMIN+3`. Throws TsnetError 'invalid' with Docker's text. */
export function parseSignal(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : numbers.get(text.toUpperCase().replace(/^SIG/, ''))
  if (number === undefined || number < 1 || number > SIGRTMAX) {
    throw new TsnetError('invalid', 'invalid_signal', `Invalid signal: ${text}`)
  }
  return number
}

/** `SIGTERM` for 15; the bare number for the two that the C library keeps for itself. */
export function signalName(number: number): string {
  const name = names.get(number)
  return name === undefined ? String(number) : `SIG${name}`
}
