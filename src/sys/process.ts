/**
 * What a process does to itself before it becomes another program, and pidfds to watch others by. Functions are
 * declared on their first call: a declaration costs koffi 10 µs, and each process needs only a few of them.
 */
import { readdirSync } from 'node:fs'
import { constants } from 'node:os'
import { CLOSE_RANGE_CLOEXEC, F_GETFD, F_SETFD, FD_CLOEXEC } from './constants/fcntl.ts'
import { PR_SET_NAME, PR_SET_PDEATHSIG } from './constants/prctl.ts'
import { SYS_close_range, SYS_pidfd_open, SYS_pidfd_send_signal } from './constants/unistd.ts'
import { Fd } from './fd.ts'
import { check, declare, lastErrno } from './libc.ts'

const nativeExecve = declare<[string, (string | null)[], (string | null)[]], number>(
  'int execve(const char *path, const char **argv, const char **envp)',
)
const nativeUnshare = declare<[number], number>('int unshare(int)')
const nativeSetns = declare<[number, number], number>('int setns(int, int)')
const nativeDup2 = declare<[number, number], number>('int dup2(int, int)')
const nativeFcntl = declare<[number, number, number], number>('int fcntl(int, int, int)')
const nativeSetsid = declare<[], number>('int setsid()')
const nativeMkfifo = declare<[string, number], number>('int mkfifo(const char *path, uint32_t mode)')
const nativeSethostname = declare<[Buffer, number], number>(
  'int sethostname(const void *name, size_t length)',
)
const nativeSetdomainname = declare<[Buffer, number], number>(
  'int setdomainname(const void *name, size_t length)',
)
const nativeExit = declare<[number], void>('void _exit(int status)')
const nativeSyscall = declare<[number, number, number, number, number], number>(
  'long syscall(long number, long a, long b, long c, long d)',
)

/**
 * Replaces this process by the program at `path` (execve(2)); other threads end. Returns only on failure, with the
 * errno. `argv` includes the program's own name; `env` is a list of `NAME=value`. The program gets descriptors 0 to 2
 * and no others.
 */
export function execve(path: string, argv: readonly string[], env: readonly string[]): number {
  // Node marks the first inherited descriptors close-on-exec at its start, the standard ones too
  for (const fd of [0, 1, 2]) setCloseOnExec(fd, false)
  setCloseOnExecFrom(3)
  nativeExecve(path, [...argv, null], [...env, null])
  return lastErrno()
}

/**
 * _exit(2): ends the process at once. Under a seccomp filter `process.exit` would abort instead, as Node's own cleanup
 * makes system calls (io_uring_enter) that Docker's profile refuses.
 */
export function exitNow(status: number): never {
  nativeExit(status)
  throw new Error('_exit has returned')
}

const nativePrctl = declare<[number, number], number>('int prctl(int option, unsigned long value)')

/** Lets the kernel kill this process when its parent, the process `parent`, ends (prctl(2), PR_SET_PDEATHSIG), or has ended. */
export function endWithParent(parent: number): void {
  check(nativePrctl(PR_SET_PDEATHSIG, constants.signals.SIGKILL), 'prctl', 'PR_SET_PDEATHSIG')
  if (process.ppid !== parent) process.exit(1)
}

/** unshare(2) with CLONE_* flags, on the calling thread. */
export function unshare(flags: number): void {
  check(nativeUnshare(flags), 'unshare', `0x${flags.toString(16)}`)
}

/** setns(2): the calling thread enters the namespace(s) behind a file or a pidfd. 0 accepts any kind of namespace file. */
export function setns(fd: number, flags = 0): void {
  check(nativeSetns(fd, flags), 'setns', `0x${flags.toString(16)}`)
}

/** dup2(2): makes `to` the same open file as `from`, without close-on-exec. */
export function duplicate(from: number, to: number): void {
  check(nativeDup2(from, to), 'dup2', `${from} to ${to}`)
}

/** fcntl(2) F_SETFD: whether the descriptor is closed by execve. */
export function setCloseOnExec(fd: number, close: boolean): void {
  const flags = check(nativeFcntl(fd, F_GETFD, 0), 'fcntl', `F_GETFD ${fd}`)
  const wanted = close ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC
  if (wanted !== flags) check(nativeFcntl(fd, F_SETFD, wanted), 'fcntl', `F_SETFD ${fd}`)
}

/** Lets execve close every descriptor from `first` on: close_range(2), or one by one before Linux 5.11. */
function setCloseOnExecFrom(first: number): void {
  if (nativeSyscall(SYS_close_range, first, 0x7fffffff, CLOSE_RANGE_CLOEXEC, 0) === 0) return
  for (const fd of readdirSync('/proc/self/fd').map(Number)) {
    // the descriptor by which the folder was read is in the list, and closed by now
    if (fd >= first && nativeFcntl(fd, F_GETFD, 0) >= 0) setCloseOnExec(fd, true)
  }
}

const nativeFchdir = declare<[number], number>('int fchdir(int)')

/** fchdir(2): the current directory becomes the open one. */
export function changeDirectory(fd: number): void {
  check(nativeFchdir(fd), 'fchdir', `${fd}`)
}

const nativePrctlText = declare<[number, string], number>('int prctl(int option, const char *text)')

/** PR_SET_NAME: what /proc/PID/comm shows of the calling thread; 15 bytes count. */
export function setThreadName(name: string): void {
  check(nativePrctlText(PR_SET_NAME, name), 'prctl', 'PR_SET_NAME')
}

/** setsid(2): a new session without a controlling terminal. */
export function setsid(): void {
  check(nativeSetsid(), 'setsid')
}

/** mkfifo(3); `mode` is subject to the umask. */
export function mkfifo(path: string, mode: number): void {
  check(nativeMkfifo(path, mode), 'mkfifo', path)
}

/** sethostname(2), at most 64 bytes. */
export function setHostname(name: string): void {
  const bytes = Buffer.from(name)
  check(nativeSethostname(bytes, bytes.length), 'sethostname', name)
}

/** setdomainname(2), at most 64 bytes. */
export function setDomainname(name: string): void {
  const bytes = Buffer.from(name)
  check(nativeSetdomainname(bytes, bytes.length), 'setdomainname', name)
}

/** pidfd_open(2): names a process for good, where a pid may be given to another one. ESRCH when there is none. */
export function openPidfd(pid: number): Fd {
  return new Fd(check(nativeSyscall(SYS_pidfd_open, pid, 0, 0, 0), 'pidfd_open', `${pid}`))
}

/** pidfd_send_signal(2). ESRCH when the process has ended. */
export function sendSignal(pidfd: Fd, signal: number): void {
  check(nativeSyscall(SYS_pidfd_send_signal, pidfd.number, signal, 0, 0), 'pidfd_send_signal', `${signal}`)
}
