/** openat2(2), kernel 5.6: opens what a path leads to, as far as it may lead. */
import { constants } from 'node:os'
import { O_CLOEXEC } from './constants/fcntl.ts'
import { AT_FDCWD } from './constants/mount.ts'
import { SYS_openat2 } from './constants/unistd.ts'
import { SyscallError } from './errno.ts'
import { Fd } from './fd.ts'
import { declare, lastErrno } from './libc.ts'

const nativeOpenat2 = declare<[number, number, string, Buffer, number], number>(
  'long syscall(long number, int directory, const char *path, void *how, size_t size)',
)

export interface Resolution {
  /** O_*; O_CLOEXEC is added */
  readonly flags: number
  /** RESOLVE_*, 0 to go wherever links lead */
  readonly resolve: number
}

/** How often a path is walked anew while somebody moves directories on it. */
const attempts = 1000

/**
 * Opens `path`, below `directory` or, with null, from the current one. Where something is renamed or mounted meanwhile the
 * kernel may not know whether a `..` leads outside; then it is walked again. Throws SyscallError naming the path: EXDEV when
 * RESOLVE_BENEATH is left, ELOOP for a link that must not be followed.
 */
export function openResolved(directory: Fd | null, path: string, how: Resolution): Fd {
  const opened = tryOpen(directory, path, how)
  if (opened >= 0) return new Fd(opened)
  throw new SyscallError('openat2', -opened, path)
}

/** As openResolved(), but null when there is nothing, without the cost of an error. */
export function findResolved(directory: Fd | null, path: string, how: Resolution): Fd | null {
  const opened = tryOpen(directory, path, how)
  if (opened >= 0) return new Fd(opened)
  if (-opened === constants.errno.ENOENT) return null
  throw new SyscallError('openat2', -opened, path)
}

/** A descriptor, or a negative errno. */
function tryOpen(directory: Fd | null, path: string, how: Resolution): number {
  // struct open_how: flags, mode, resolve, each 64 bits
  const buffer = Buffer.alloc(24)
  buffer.writeBigUInt64LE(BigInt(how.flags | O_CLOEXEC), 0)
  buffer.writeBigUInt64LE(BigInt(how.resolve), 16)
  const from = directory?.number ?? AT_FDCWD
  for (let attempt = 1; ; attempt++) {
    const opened = Number(nativeOpenat2(SYS_openat2, from, path, buffer, buffer.length))
    if (opened >= 0) return opened
    if (lastErrno() !== constants.errno.EAGAIN || attempt === attempts) return -lastErrno()
  }
}
