/** Extended attributes (xattr(7)) of a file or of a symbolic link itself. Paths may be bytes; a number is an open descriptor. */
import { constants } from 'node:os'
import { SyscallError } from './errno.ts'
import { cPath } from './file.ts'
import { check, declare, lastErrno, libc } from './libc.ts'

const nativeSet = libc.func(
  'int lsetxattr(const void *path, const char *name, const void *value, size_t size, int flags)',
)
const nativeGet = libc.func(
  'intptr_t lgetxattr(const void *path, const char *name, _Out_ void *value, size_t size)',
)
const nativeList = libc.func('intptr_t llistxattr(const void *path, _Out_ void *list, size_t size)')
const nativeSetOpen = declare<[number, string, Buffer, number, number], number>(
  'int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)',
)
const nativeGetOpen = declare<[number, string, Buffer, number], number>(
  'intptr_t fgetxattr(int fd, const char *name, void *value, size_t size)',
)
const nativeListOpen = declare<[number, Buffer, number], number>(
  'intptr_t flistxattr(int fd, void *list, size_t size)',
)
const nativeRemoveOpen = declare<[number, string], number>('int fremovexattr(int fd, const char *name)')

/** XATTR_SIZE_MAX and XATTR_LIST_MAX of <linux/limits.h>: no value and no list is longer. */
const LONGEST = 65536
const scratch = Buffer.alloc(LONGEST)

/** lsetxattr(2). Throws SyscallError naming the file and the attribute. */
export function setXattr(path: string | Buffer | number, name: string, value: Buffer): void {
  const result =
    typeof path === 'number'
      ? nativeSetOpen(path, name, value, value.length, 0)
      : nativeSet(cPath(path), name, value, value.length, 0)
  check(result, 'lsetxattr', `${path.toString()} ${name}`)
}

const XATTR_REPLACE = 2

/** Whether an open file without this attribute could have it; changes nothing (fsetxattr(2), XATTR_REPLACE). Throws SyscallError, EROFS too. */
export function canSetXattr(fd: number, name: string): boolean {
  if (nativeSetOpen(fd, name, scratch, 0, XATTR_REPLACE) >= 0) return true
  const errno = lastErrno()
  if (errno === constants.errno.ENODATA) return true
  if (errno === constants.errno.EOPNOTSUPP || errno === constants.errno.EPERM) return false
  throw new SyscallError('fsetxattr', errno, `${fd} ${name}`)
}

/** lgetxattr(2); null when the file or its file system has no such attribute. */
export function getXattr(path: string | Buffer | number, name: string): Buffer | null {
  const length = Number(
    typeof path === 'number'
      ? nativeGetOpen(path, name, scratch, LONGEST)
      : nativeGet(cPath(path), name, scratch, LONGEST),
  )
  if (length >= 0) return Buffer.from(scratch.subarray(0, length))
  const errno = lastErrno()
  if (errno === constants.errno.ENODATA || errno === constants.errno.EOPNOTSUPP) return null
  throw new SyscallError('lgetxattr', errno, `${path.toString()} ${name}`)
}

/** llistxattr(2): the names of all attributes; none where the file system has no such thing. */
export function listXattrs(path: string | Buffer | number): readonly string[] {
  const length = Number(
    typeof path === 'number'
      ? nativeListOpen(path, scratch, LONGEST)
      : nativeList(cPath(path), scratch, LONGEST),
  )
  if (length === 0) return []
  if (length >= 0) return scratch.toString('utf8', 0, length).split('\0').filter(Boolean)
  const errno = lastErrno()
  if (errno === constants.errno.EOPNOTSUPP) return []
  throw new SyscallError('llistxattr', errno, path.toString())
}

/** fremovexattr(2) of an attribute that is there. Throws SyscallError. */
export function removeXattr(fd: number, name: string): void {
  check(nativeRemoveOpen(fd, name), 'fremovexattr', `${fd} ${name}`)
}
