/** Where a sparse file has data (lseek(2), SEEK_DATA and SEEK_HOLE). */
import { constants } from 'node:os'
import { SEEK_DATA, SEEK_HOLE } from './constants/fcntl.ts'
import { SyscallError } from './errno.ts'
import { declare, lastErrno } from './libc.ts'

const nativeSeek = declare<[number, number, number], number | bigint>(
  'int64_t lseek(int fd, int64_t offset, int whence)',
)

/** The parts that hold data, in order, as far as `length` bytes. Throws SyscallError. */
export function findData(fd: number, length: number): { readonly offset: number; readonly length: number }[] {
  const parts: { offset: number; length: number }[] = []
  for (let end = 0; end < length; ) {
    const start = seek(fd, end, SEEK_DATA)
    if (start < 0 || start >= length) break
    const hole = seek(fd, start, SEEK_HOLE)
    end = hole < 0 ? length : Math.min(hole, length)
    parts.push({ offset: start, length: end - start })
  }
  return parts
}

/** -1 when there is nothing behind `offset`. */
function seek(fd: number, offset: number, whence: number): number {
  const found = Number(nativeSeek(fd, offset, whence))
  if (found >= 0) return found
  const errno = lastErrno()
  if (errno === constants.errno.ENXIO) return -1
  throw new SyscallError('lseek', errno)
}
