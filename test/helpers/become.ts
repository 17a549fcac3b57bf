/** A process that does to itself what init does last, and becomes a program. Run as a script, it takes its plan as JSON. */
import { spawnSync } from 'node:child_process'
import { openSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { becomeUser } from '../../src/sys/caps.ts'
import { execve, exitNow } from '../../src/sys/process.ts'
import { applyRlimits, type Rlimit } from '../../src/sys/rlimit.ts'
import { loadSeccompFilter } from '../../src/sys/seccomp.ts'
import { resetSignals } from '../../src/sys/signal.ts'

export interface Becoming {
  readonly argv: readonly string[]
  readonly uid: number
  readonly gid: number
  readonly groups: readonly number[]
  readonly caps: readonly string[]
  readonly noNewPrivileges: boolean
  /** base64, '' for none */
  readonly filter: string
  readonly rlimits: readonly Rlimit[]
  readonly joinFiles: readonly string[]
}

const nothing: Omit<Becoming, 'argv'> = {
  uid: 0,
  gid: 0,
  groups: [],
  caps: [],
  noNewPrivileges: false,
  filter: '',
  rlimits: [],
  joinFiles: [],
}

const script = fileURLToPath(import.meta.url)

/** The command line that becomes the program, for a test that spawns it itself. */
export function becomingCommand(wanted: Partial<Becoming> & Pick<Becoming, 'argv'>): [string, string[]] {
  return [process.execPath, [script, JSON.stringify({ ...nothing, ...wanted })]]
}

/** Runs the program to its end and returns what it printed and how it ended. */
export function become(wanted: Partial<Becoming> & Pick<Becoming, 'argv'>) {
  const [command, args] = becomingCommand(wanted)
  const { stdout, stderr, status, signal } = spawnSync(command, args, { encoding: 'utf8', timeout: 30_000 })
  return { stdout, stderr, status, signal }
}

/** The fields of /proc/self/status as the program sees them. */
export function statusOf(wanted: Partial<Becoming>): Readonly<Record<string, string>> {
  const { stdout, stderr } = become({ ...wanted, argv: ['/bin/busybox', 'cat', '/proc/self/status'] })
  if (stdout === '') throw new Error(`the program did not run: ${stderr}`)
  return Object.fromEntries(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(':\t') as [string, string]),
  )
}

function run(plan: Becoming): void {
  for (const file of plan.joinFiles) writeSync(openSync(file, 'w'), '0')
  applyRlimits(plan.rlimits)
  resetSignals()
  const load = () => plan.filter !== '' && loadSeccompFilter(Buffer.from(plan.filter, 'base64'))
  if (!plan.noNewPrivileges) load()
  becomeUser(plan)
  if (plan.noNewPrivileges) load()
  const errno = execve(plan.argv[0] ?? '', plan.argv, ['PATH=/bin:/usr/bin:/sbin:/usr/sbin'])
  writeSync(2, `execve ${plan.argv[0]}: errno ${errno}\n`)
  exitNow(errno === 2 ? 127 : 126)
}

if (process.argv[1] === script) run(JSON.parse(process.argv[2] ?? ''))
