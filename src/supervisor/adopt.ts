/** After a supervisor was killed: its successor takes up the programs that still run, from what is on disk. */
import { readdirSync, readFileSync } from 'node:fs'
import { SyscallError } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { waitReadable } from '../sys/poll.ts'
import { openPidfd } from '../sys/process.ts'
import { type Children, readStartTime } from './children.ts'
import type { ChildRecord, ExitRecord } from './protocol.ts'

/** A program that is not our child tells nobody how it ended. */
const unknownExitCode = 255

function readJson<T>(path: string): T | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T
  } catch {
    return null
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

/** Takes up everything below `<exec-root>/children` and goes on watching it. */
export function adoptChildren(execRoot: string, children: Children): void {
  const watched = new Map<Fd, string>()
  for (const id of list(`${execRoot}/children`)) {
    const directory = `${execRoot}/children/${id}`
    const exit = readJson<ExitRecord>(`${directory}/exit.json`)
    const child = readJson<ChildRecord>(`${directory}/child.json`)
    if (exit !== null) children.recall(exit)
    else if (child === null) children.forget(id)
    else {
      const pidfd = openRunning(child)
      if (pidfd === null) void children.finished(id, unknownExitCode)
      else {
        watched.set(pidfd, id)
        readopt(children, child)
      }
    }
  }
  void watch(watched, children)
}

/** A program whose FIFOs or log are gone is looked after all the same: one broken child must not cost all others theirs. */
function readopt(children: Children, child: ChildRecord): void {
  try {
    children.readopt(child)
  } catch (error) {
    process.stderr.write(`tsnet supervisor: ${child.id}: no output any more: ${(error as Error).message}\n`)
  }
}

/** null when the program has ended, even if another process has its pid by now. */
function openRunning({ pid, startTime }: ChildRecord): Fd | null {
  try {
    const pidfd = openPidfd(pid)
    if (readStartTime(pid) === startTime) return pidfd
    pidfd.close()
  } catch (error) {
    if (!(error instanceof SyscallError && error.errnoName === 'ESRCH')) throw error
  }
  return null
}

async function watch(watched: Map<Fd, string>, children: Children): Promise<void> {
  while (watched.size > 0) {
    for (const pidfd of await waitReadable([...watched.keys()])) {
      const id = watched.get(pidfd)
      watched.delete(pidfd)
      pidfd.close()
      if (id !== undefined) void children.finished(id, unknownExitCode)
    }
  }
}
