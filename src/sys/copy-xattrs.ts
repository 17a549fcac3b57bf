/**
 * Takes extended attributes (xattr(7)) from one file to another: access control lists, capabilities and users' own. What the
 * other file system cannot hold is left out, as cp(1) does.
 */
import { constants } from 'node:os'
import { SyscallError } from './errno.ts'
import { declare, lastErrno } from './libc.ts'

const listOpen = declare<[number, Buffer, number], number>(
  'intptr_t flistxattr(int fd, void *list, size_t size)',
)
const getOpen = declare<[number, Buffer, Buffer, number], number>(
  'intptr_t fgetxattr(int fd, const void *name, void *value, size_t size)',
)
const setOpen = declare<[number, Buffer, Buffer, number, number], number>(
  'int fsetxattr(int fd, const void *name, const void *value, size_t size, int flags)',
)
const removeOpen = declare<[number, Buffer], number>('int fremovexattr(int fd, const void *name)')
const listPath = declare<[Buffer, Buffer, number], number>(
  'intptr_t llistxattr(const void *path, void *list, size_t size)',
)
const getPath = declare<[Buffer, Buffer, Buffer, number], number>(
  'intptr_t lgetxattr(const void *path, const void *name, void *value, size_t size)',
)
const setPath = declare<[Buffer, Buffer, Buffer, number, number], number>(
  'int lsetxattr(const void *path, const void *name, const void *value, size_t size, int flags)',
)

/** XATTR_LIST_MAX and XATTR_SIZE_MAX of <linux/limits.h> */
const LONGEST = 65536
const list = Buffer.alloc(LONGEST)
const value = Buffer.alloc(LONGEST)

const { ENODATA, ENOENT, EOPNOTSUPP } = constants.errno

/** Between two open files. Throws SyscallError naming the attribute. */
export function copyXattrs(from: number, to: number): void {
  copyAll(
    listOpen(from, list, LONGEST),
    (name) => getOpen(from, name, value, LONGEST),
    (name, length) => setOpen(to, name, value, length, 0),
  )
}

/** Between two entries that cannot be opened, such as links, by paths that lead through descriptors (`/proc/self/fd/N/name`). A source that is gone has none. */
export function copyXattrsByPath(from: Buffer, to: Buffer): void {
  copyAll(
    listPath(from, list, LONGEST),
    (name) => getPath(from, name, value, LONGEST),
    (name, length) => setPath(to, name, value, length, 0),
  )
}

function copyAll(
  listed: number | bigint,
  get: (name: Buffer) => number | bigint,
  set: (name: Buffer, length: number) => number,
): void {
  const length = succeeded(Number(listed), 'listxattr', '', EOPNOTSUPP, ENOENT)
  for (let at = 0; at < length; ) {
    const end = list.indexOf(0, at) + 1
    const name = list.subarray(at, end)
    at = end
    if (isOwnMark(name)) continue
    const size = succeeded(Number(get(name)), 'getxattr', nameOf(name), ENODATA)
    if (size >= 0) succeeded(set(name, size), 'setxattr', nameOf(name), EOPNOTSUPP)
  }
}

const ownMarks = Buffer.from('trusted.tsnet.')

/** What the daemon says by it of one directory is not true of a copy. */
function isOwnMark(name: Buffer): boolean {
  return name.length > ownMarks.length && name.compare(ownMarks, 0, ownMarks.length, 0, ownMarks.length) === 0
}

/** `result`, or -1 after a failure that does no harm. */
function succeeded(result: number, call: string, detail: string, ...harmless: readonly number[]): number {
  if (result >= 0) return result
  const errno = lastErrno()
  if (harmless.includes(errno)) return -1
  throw new SyscallError(call, errno, detail)
}

const nameOf = (name: Buffer): string => name.toString('utf8', 0, name.length - 1)

/**
 * Takes a directory's access control lists, which what is made in it would inherit, and users' attributes away. The system's
 * own, such as a security label, stay.
 */
export function removeXattrs(directory: number): void {
  const length = succeeded(Number(listOpen(directory, list, LONGEST)), 'flistxattr', '', EOPNOTSUPP)
  for (let at = 0; at < length; ) {
    const end = list.indexOf(0, at) + 1
    const name = list.subarray(at, end)
    if (/^(user|system\.posix_acl_)/.test(nameOf(name))) {
      succeeded(removeOpen(directory, name), 'fremovexattr', nameOf(name), ENODATA, EOPNOTSUPP)
    }
    at = end
  }
}
