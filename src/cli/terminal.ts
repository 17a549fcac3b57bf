/** The user's terminal while a container's program has it. */
import { ExitError } from './command.ts'

/** In characters. */
export interface Size {
  readonly rows: number
  readonly columns: number
}

/** Zeros when standard output is no terminal. */
export function terminalSize(): Size {
  const { rows = 0, columns = 0 } = process.stdout
  return { rows, columns }
}

/** Throws Docker's sentence when the container's terminal wants keys and standard input has none to give. */
export function checkInputTerminal(stdin: boolean, tty: boolean): void {
  if (!stdin || !tty || process.stdin.isTTY) return
  throw new ExitError(1, 'cannot attach stdin to a TTY-enabled container because stdin is not a terminal')
}

/**
 * Passes every key on as it is typed, and every byte of output as it comes, until the returned object is disposed. Node
 * itself gives the terminal back when the program ends in any other way.
 */
export function enterRawMode(): Disposable {
  const { stdin } = process
  if (!stdin.isTTY) return { [Symbol.dispose]: () => {} }
  stdin.setRawMode(true)
  // libuv's raw mode leaves the translation of \n to \r\n on, and the container's terminal has done that already:
  // programs which use a bare \n to move down would lose their column.
  const { spawnSync } = process.getBuiltinModule('node:child_process')
  spawnSync('stty', ['-opost'], { stdio: 'inherit' })
  return {
    [Symbol.dispose]: () => {
      stdin.setRawMode(false)
    },
  }
}

/** Calls `resize` with the terminal's size now and after each change, until disposed. */
export function followSize(resize: (size: Size) => Promise<unknown>): Disposable {
  // A container that has just ended has no size any more; there is nobody to tell.
  const tell = () => void resize(terminalSize()).catch(() => {})
  if (!process.stdout.isTTY) return { [Symbol.dispose]: () => {} }
  tell()
  process.stdout.on('resize', tell)
  return {
    [Symbol.dispose]: () => {
      process.stdout.off('resize', tell)
    },
  }
}

/** Lets input through until `keys` have been typed in a row; what may be their beginning is held back. */
export function createDetachFilter(keys: readonly number[]): (chunk: Buffer) => {
  readonly passed: Buffer
  readonly isDetached: boolean
} {
  let matched = 0
  return (chunk) => {
    const passed: number[] = []
    for (const byte of chunk) {
      if (byte !== keys[matched]) {
        passed.push(...keys.slice(0, matched))
        matched = 0
      }
      if (byte === keys[matched]) matched++
      else passed.push(byte)
      if (matched === keys.length) return { passed: Buffer.from(passed), isDetached: true }
    }
    return { passed: Buffer.from(passed), isDetached: false }
  }
}
