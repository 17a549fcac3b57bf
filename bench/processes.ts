import { readdirSync, readFileSync } from 'node:fs'

/** The ids of all processes whose command line `wanted` accepts. The benchmark sees only its own namespace. */
export function findProcesses(wanted: (argv: readonly string[]) => boolean): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => wanted(argvOf(pid)))
}

function argvOf(pid: number): string[] {
  return (read(`/proc/${pid}/cmdline`) ?? '').split('\0').filter(Boolean)
}

/** Mebibytes of a set of processes: proportional set size, so that shared pages count once (proc(5), smaps_rollup). */
export function residentMemory(pids: readonly number[]): number {
  const kibibytes = pids.map((pid) =>
    Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`) ?? '')?.[1] ?? 0),
  )
  return kibibytes.reduce((sum, one) => sum + one, 0) / 1024
}

/** A process may end between being listed and being read. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
