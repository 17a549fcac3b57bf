/**
 * Copies the content of one open file into another, by the cheapest way there is: shared blocks, then in the kernel, then
 * through memory. Holes stay holes.
 */
import { ftruncateSync } from 'node:fs'
import { constants } from 'node:os'
import { SEEK_DATA, SEEK_HOLE } from './constants/fcntl.ts'
import { FICLONE } from './constants/ioctls.ts'
import { SyscallError } from './errno.ts'
import type { FileStatus } from './file-status.ts'
import { check, declare, lastErrno } from './libc.ts'

const nativeIoctl = declare<[number, number, number], number>(
  'int ioctl(int fd, unsigned long request, int argument)',
)
const nativeCopyRange = declare<[number, null, number, null, number, number], number>(
  'intptr_t copy_file_range(int from, void *fromOffset, int to, void *toOffset, size_t length, unsigned int flags)',
)
const nativeRead = declare<[number, Buffer, number], number>('intptr_t read(int fd, void *data, size_t size)')
const nativeWrite = declare<[number, Buffer, number], number>(
  'intptr_t write(int fd, const void *data, size_t size)',
)
const nativeSeek = declare<[number, number, number], number>(
  'int64_t lseek(int fd, int64_t offset, int whence)',
)

const SEEK_SET = 0

/** Up to here a read and a write are quicker than copying in the kernel. */
const SMALL_BYTES = 64 * 1024
const BUFFER_BYTES = 1024 * 1024
/** What copy_file_range(2) is asked for at once: a pace at which progress can be told. */
const RANGE_BYTES = 16 * 1024 * 1024

const { ENXIO, EINVAL, EXDEV, EOPNOTSUPP, ENOSYS, ENOTTY, EPERM, ETXTBSY } = constants.errno
/** The file systems cannot do it for these files; others may still be copied so. */
const NOT_THIS = [EINVAL, EPERM, ETXTBSY]
/** They cannot do it at all. */
const NEVER = [EXDEV, EOPNOTSUPP, ENOSYS, ENOTTY]

/** Remembers what the two file systems can do, so that no file asks in vain again. */
export class ContentCopier {
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
  readonly #onBytes: (bytes: number) => void
  #clones = true
  #copiesRanges = true

  /** `onBytes` is called with the number of bytes that were just copied. */
  constructor(onBytes: (bytes: number) => void) {
    this.#onBytes = onBytes
  }

  /** Both files at their beginning, `to` empty. A file that grows meanwhile is copied as long as it was. Throws SyscallError. */
  copy(from: number, to: number, status: FileStatus): void {
    const { length } = status
    if (length === 0) this.#onBytes(0)
    else if (this.#clones && this.#clone(from, to)) this.#onBytes(Math.min(length, status.allocated))
    else if (status.allocated < length) this.#copySparse(from, to, length)
    else this.#copyRange(from, to, length)
  }

  /** ioctl_ficlone(2) */
  #clone(from: number, to: number): boolean {
    if (nativeIoctl(to, FICLONE, from) >= 0) return true
    this.#clones = this.#mayTryAgain('ioctl FICLONE')
    return false
  }

  #copySparse(from: number, to: number, length: number): void {
    let end = 0
    for (let start = 0; ; start = end) {
      start = seek(from, start, SEEK_DATA)
      if (start < 0 || start >= length) break
      end = Math.min(seek(from, start, SEEK_HOLE), length)
      seek(from, start, SEEK_SET)
      seek(to, start, SEEK_SET)
      if (!this.#copyRange(from, to, end - start)) return
    }
    if (end < length) ftruncateSync(to, length)
  }

  /** Copies so much from where both files stand; false when the file ended before. */
  #copyRange(from: number, to: number, length: number): boolean {
    let left = length
    while (left > 0) {
      const done = left <= SMALL_BYTES || !this.#copiesRanges ? 0 : this.#copyInKernel(from, to, left)
      // Some file systems say 0 for what they can only read.
      const copied = done > 0 ? done : this.#copyThroughMemory(from, to, left)
      if (copied === 0) return false
      left -= copied
      this.#onBytes(copied)
    }
    return true
  }

  /** copy_file_range(2); 0 when it has to be done another way. */
  #copyInKernel(from: number, to: number, length: number): number {
    const copied = Number(nativeCopyRange(from, null, to, null, Math.min(length, RANGE_BYTES), 0))
    if (copied >= 0) return copied
    this.#copiesRanges = this.#mayTryAgain('copy_file_range')
    return 0
  }

  #copyThroughMemory(from: number, to: number, length: number): number {
    const wanted = Math.min(length, BUFFER_BYTES)
    const read = check(Number(nativeRead(from, this.#buffer, wanted)), 'read')
    for (let written = 0; written < read; ) {
      const rest = written === 0 ? this.#buffer : this.#buffer.subarray(written)
      written += check(Number(nativeWrite(to, rest, read - written)), 'write')
    }
    return read
  }

  #mayTryAgain(call: string): boolean {
    const errno = lastErrno()
    if (NEVER.includes(errno)) return false
    if (NOT_THIS.includes(errno)) return true
    throw new SyscallError(call, errno)
  }
}

/** lseek(2); -1 when there is no data behind `offset`. */
function seek(fd: number, offset: number, whence: number): number {
  const found = Number(nativeSeek(fd, offset, whence))
  if (found >= 0) return found
  const errno = lastErrno()
  if (errno === ENXIO) return -1
  throw new SyscallError('lseek', errno)
}
