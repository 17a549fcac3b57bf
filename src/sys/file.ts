/**
 * Special files and exact times, which node:fs does not offer. Paths may be bytes: a file's name need not be UTF-8.
 * Nothing here follows a symbolic link in the last component.
 */
import { AT_FDCWD } from './constants/mount.ts'
import { S_IFBLK, S_IFCHR, S_IFIFO, UTIME_OMIT } from './constants/stat.ts'
import { check, libc } from './libc.ts'

const nativeMknod = libc.func('int mknod(const void *path, uint32_t mode, uint64_t device)')
const nativeUtimensat = libc.func('int utimensat(int dirfd, const void *path, const void *times, int flags)')

/** <linux/fcntl.h> */
const AT_SYMLINK_NOFOLLOW = 0x100

/** A path as the C library takes it: bytes up to a NUL. */
export function cPath(path: string | Buffer): Buffer {
  return Buffer.concat([typeof path === 'string' ? Buffer.from(path) : path, Buffer.alloc(1)])
}

/** The device number of a major and a minor, as makedev(3) packs it. */
export function deviceNumber(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)]
  return (
    ((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | (low & 0xffn)
  )
}

/** mkfifo(3). The umask applies to `permissions`. Throws SyscallError. */
export function makeFifo(path: string | Buffer, permissions: number): void {
  makeNode(path, S_IFIFO | permissions, 0n)
}

/** mknod(2). The umask applies to `permissions`. 0:0 is the whiteout of overlayfs. Throws SyscallError. */
export function makeCharacterDevice(
  path: string | Buffer,
  permissions: number,
  major: number,
  minor: number,
): void {
  makeNode(path, S_IFCHR | permissions, deviceNumber(major, minor))
}

/** mknod(2). The umask applies to `permissions`. Throws SyscallError. */
export function makeBlockDevice(
  path: string | Buffer,
  permissions: number,
  major: number,
  minor: number,
): void {
  makeNode(path, S_IFBLK | permissions, deviceNumber(major, minor))
}

function makeNode(path: string | Buffer, mode: number, device: bigint): void {
  check(nativeMknod(cPath(path), mode, device), 'mknod', path.toString())
}

/** Nanoseconds since the epoch as calls take the modification time, with which the access time is left as it is. */
export function modificationTime(nanoseconds: bigint): Buffer {
  // struct timespec[2]: seconds and nanoseconds, 64 bits each; nanoseconds are never negative
  const times = Buffer.alloc(32)
  times.writeBigInt64LE(UTIME_OMIT, 8)
  const fraction = ((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  times.writeBigInt64LE((nanoseconds - fraction) / 1_000_000_000n, 16)
  times.writeBigInt64LE(fraction, 24)
  return times
}

/** utimensat(2): sets the modification time in nanoseconds since the epoch and leaves the access time. */
export function setModified(path: string | Buffer, nanoseconds: bigint): void {
  const times = modificationTime(nanoseconds)
  check(nativeUtimensat(AT_FDCWD, cPath(path), times, AT_SYMLINK_NOFOLLOW), 'utimensat', path.toString())
}
