/** Signals by name and number, and the dispositions a program should start with. */
import { constants } from 'node:os'
import { TsnetError } from '../errors.ts'
import { SIG_DFL, SIG_SETMASK, SIGRTMAX, SIGRTMIN } from './constants/signal.ts'
import { check, declare } from './libc.ts'

const nativeSignal = declare<[number, number], number>('intptr_t signal(int number, intptr_t handler)')
const nativeSigprocmask = declare<[number, Buffer, Buffer | null], number>(
  'int sigprocmask(int how, const void *set, void *old)',
)

/** sizeof(sigset_t) of glibc; the kernel reads 8 bytes of it. */
const SIGSET_BYTES = 128

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
    throw new TsnetError('invalid', 'invalid-signal', `Invalid signal: ${text}`)
  }
  return number
}

/** `SIGTERM` for 15; the bare number for the two that the C library keeps for itself. */
export function signalName(number: number): string {
  const name = names.get(number)
  return name === undefined ? String(number) : `SIG${name}`
}

/**
 * Gives every signal its default disposition and unblocks all on the calling thread. execve(2) keeps what is ignored
 * or blocked, and Node ignores SIGPIPE and SIGXFSZ: without this a program's pipelines would not end as they should.
 */
export function resetSignals(): void {
  for (let number = 1; number <= SIGRTMAX; number++) {
    if (isSettable(number)) nativeSignal(number, SIG_DFL)
  }
  check(nativeSigprocmask(SIG_SETMASK, Buffer.alloc(SIGSET_BYTES), null), 'sigprocmask')
}

const all = Buffer.alloc(SIGSET_BYTES, 0xff)
const before = Buffer.alloc(SIGSET_BYTES)

/**
 * Runs `body`, which must not call this itself, while signals wait for its end: for libraries that take a call cut short by one (EINTR of
 * signal(7)) for a failure of the whole. Of libuv's signals the loop learns nothing in the middle of a body anyway.
 */
export function holdSignals<T>(body: () => T): T {
  check(nativeSigprocmask(SIG_SETMASK, all, before), 'sigprocmask')
  try {
    return body()
  } finally {
    nativeSigprocmask(SIG_SETMASK, before, null)
  }
}

/** SIGKILL and SIGSTOP cannot be changed; 32 and 33 belong to the C library, which refuses them. */
function isSettable(number: number): boolean {
  const { SIGKILL, SIGSTOP } = constants.signals
  return number !== SIGKILL && number !== SIGSTOP && (number < 32 || number >= SIGRTMIN)
}
