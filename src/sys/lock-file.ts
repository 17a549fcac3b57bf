/** Locks of whole files, flock(2): the kernel gives them back with the process that holds them. */
import { openSync } from 'node:fs'
import { LOCK_EX } from './constants/fcntl.ts'
import { SyscallError } from './errno.ts'
import { Fd } from './fd.ts'
import { declare, lastErrno } from './libc.ts'

const nativeFlock = declare<[number, number], number>('int flock(int fd, int operation)')

/** Waits for its turn. A file system without locks, such as NFS without its lock server, has to do without. */
export function lock(fd: Fd): void {
  if (nativeFlock(fd.number, LOCK_EX) >= 0) return
  const error = new SyscallError('flock', lastErrno())
  if (!['ENOLCK', 'EOPNOTSUPP', 'ENOSYS'].includes(error.errnoName)) throw error
}

/** The file at `path`, made if need be and locked until it is disposed of. */
export function lockFile(path: string): Fd {
  const fd = new Fd(openSync(path, 'a', 0o600))
  lock(fd)
  return fd
}
