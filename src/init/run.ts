/** Runs a plan's steps, top to bottom, and becomes the program. Synchronous throughout: namespaces belong to threads. */
import { closeSync, fchownSync, openSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { becomeUser } from '../sys/caps.ts'
import { CLONE_FS, CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNS, CLONE_NEWUTS } from '../sys/constants/sched.ts'
import { errnoName } from '../sys/errno.ts'
import { duplicate, execve, setDomainname, setHostname, setns, unshare } from '../sys/process.ts'
import { applyRlimits } from '../sys/rlimit.ts'
import { loadSeccompFilter } from '../sys/seccomp.ts'
import { resetSignals } from '../sys/signal.ts'
import { isTerminal } from '../sys/terminal.ts'
import { type Handlers, mountSteps, type State } from './mounts.ts'
import { findProgram } from './program.ts'
import { StartError } from './start-error.ts'
import { exitNotExecutable, exitNotFound, type InitPlan, type Program, type Step } from './steps.ts'
import { terminalStep } from './terminal.ts'
import { resolveUser } from './user.ts'

const handlers: Handlers = {
  ...mountSteps,
  ...terminalStep,

  'open-stdio': (step, state) => {
    state.stdio = [
      step.stdin === '' ? openSync('/dev/null', 'r') : openSync(step.stdin, 'r'),
      // Held open in both directions: the program outlives whoever reads.
      step.stdout === '' ? openSync('/dev/null', 'w') : openSync(step.stdout, 'r+'),
      step.stderr === '' ? openSync('/dev/null', 'w') : openSync(step.stderr, 'r+'),
    ]
  },

  'open-cgroup': (step, state) => {
    state.cgroup = step.files.map((file) => openSync(file, 'w'))
    state.cgroupNamespace = step.namespace
  },

  'join-network': (step) => {
    const fd = openSync(step.path, 'r')
    setns(fd)
    closeSync(fd)
  },

  'join-container': (step) => {
    // The mount namespace comes last: after it the host's /proc is gone.
    const fds = ['ipc', 'uts', 'net', 'cgroup', 'mnt'].map((kind) =>
      openSync(`/proc/${step.pid}/ns/${kind}`, 'r'),
    )
    unshare(CLONE_FS)
    for (const fd of fds) {
      setns(fd)
      closeSync(fd)
    }
    process.chdir('/')
  },

  isolate: () => unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC),

  hostname: (step) => {
    setHostname(step.hostname)
    if (step.domainname !== '') setDomainname(step.domainname)
  },

  sysctls: (step) => {
    for (const [name, value] of Object.entries(step.values)) {
      writeFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, value)
    }
  },
}

function runStep(step: Step, state: State): void {
  const handler = handlers[step.op] as (step: Step, state: State) => void
  try {
    handler(step, state)
  } catch (error) {
    throw error instanceof StartError ? error : new StartError(`${step.op}: ${(error as Error).message}`)
  }
}

/** Does not return when all goes well. Throws StartError. */
export function run(plan: InitPlan): never {
  const state: State = { stdio: [], cgroup: [], cgroupNamespace: false, wanted: [], sources: [] }
  for (const step of plan.steps) runStep(step, state)
  return become(plan.program, state)
}

/** The order matters: limits and groups first, then what takes rights away, then nothing but execve. */
function become(program: Program, state: State): never {
  const user = resolveUser(program.user, program.groups)
  const env = completeEnv(program.env, user.home, isTerminal(state.stdio[0] ?? 0))
  enterWorkingDir(program.workingDir, user)
  giveStdio(state.stdio, user.uid)
  writeFileSync('/proc/self/oom_score_adj', String(program.oomScoreAdj))
  applyRlimits(program.rlimits)
  resetSignals()
  process.umask(0o022)
  joinCgroup(state)

  const filter = program.seccomp === '' ? null : Buffer.from(program.seccomp, 'base64')
  // Without no_new_privs a filter needs CAP_SYS_ADMIN, which goes away with the capabilities.
  if (filter !== null && !program.noNewPrivileges) loadSeccompFilter(filter)
  becomeUser({
    uid: user.uid,
    gid: user.gid,
    groups: user.groups,
    caps: program.capabilities,
    noNewPrivileges: program.noNewPrivileges,
  })
  const path = findProgram(program.argv[0] ?? '', env)
  if (filter !== null && program.noNewPrivileges) loadSeccompFilter(filter)
  const errno = errnoName(execve(path, program.argv, env))
  throw execError(path, errno)
}

/** Small limits must hold for the program alone, so this process joins at the last moment. */
function joinCgroup(state: State): void {
  for (const fd of state.cgroup) {
    writeSync(fd, '0')
    closeSync(fd)
  }
  if (state.cgroupNamespace) unshare(CLONE_NEWCGROUP)
}

function enterWorkingDir(path: string, user: { uid: number; gid: number }): void {
  if (path === '') return
  try {
    process.chdir(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new StartError(
      `chdir to cwd ("${path}") set in config.json failed: ${texts[code ?? ''] ?? code} (as uid ${user.uid})`,
    )
  }
}

/** 0, 1 and 2 belong to the user, so that /dev/stdout can be opened again (by nginx, for one). */
function giveStdio(fds: readonly number[], uid: number): void {
  for (const [target, fd] of fds.entries()) {
    if (!statSync(`/proc/self/fd/${fd}`).isCharacterDevice() || isTerminal(fd)) fchownSync(fd, uid, -1)
    duplicate(fd, target)
  }
  // A terminal is all three of them.
  for (const fd of new Set(fds)) if (fd > 2) closeSync(fd)
}

function completeEnv(env: readonly string[], home: string, terminal: boolean): string[] {
  const names = new Set(env.map((entry) => entry.slice(0, entry.indexOf('='))))
  const complete = [...env]
  if (!names.has('HOME')) complete.push(`HOME=${home}`)
  if (terminal && !names.has('TERM')) complete.push('TERM=xterm')
  return complete
}

const texts: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
  EACCES: 'permission denied',
  ENOEXEC: 'exec format error',
}

function execError(path: string, errno: string): StartError {
  const exitCode = errno === 'ENOENT' ? exitNotFound : exitNotExecutable
  return new StartError(`exec: "${path}": ${texts[errno] ?? errno}`, exitCode)
}
