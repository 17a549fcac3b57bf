/** Makes system calls by number and prints how each ended: for programs under a seccomp filter. */
import { fileURLToPath } from 'node:url'
import { errnoName } from '../../src/sys/errno.ts'
import { declare, lastErrno } from '../../src/sys/libc.ts'

/** Number and arguments. */
export type Call = readonly [number, ...number[]]

/** The command line of a program that makes the calls and prints a JSON list of `ok` or errno names. */
export function callingCommand(calls: readonly Call[]): string[] {
  return [process.execPath, script, JSON.stringify(calls)]
}

const script = fileURLToPath(import.meta.url)

function run(calls: readonly Call[]): string[] {
  const native = declare<number[], number | bigint>('long syscall(long, long, long, long, long, long, long)')
  return calls.map((call) => {
    const args = Array.from({ length: 7 }, (_, index) => call[index] ?? 0)
    return native(...args) < 0 ? errnoName(lastErrno()) : 'ok'
  })
}

if (process.argv[1] === script) console.log(JSON.stringify(run(JSON.parse(process.argv[2] ?? ''))))
