import type { Fd } from './fd.ts'
import { check, declare } from './libc.ts'

const nativeSyncfs = declare<[number], number>('int syncfs(int fd)')

/** Writes all to the disk that is on the file system of an open file (syncfs(2)). Throws SyscallError, also for what was lost before. */
export function syncFileSystem(fd: Fd): void {
  check(nativeSyncfs(fd.number), 'syncfs')
}
