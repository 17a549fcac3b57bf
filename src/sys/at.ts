/**
 * System calls that take a directory's descriptor and one name in it: nothing that is renamed or linked elsewhere in the
 * meantime leads them astray. Names are bytes with a NUL at the end, as a directory gives them; none follows a link.
 * All throw SyscallError naming the entry.
 */
import { constants } from 'node:fs'
import { constants as numbers } from 'node:os'
import { AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW, O_CLOEXEC, O_PATH } from './constants/fcntl.ts'
import { AT_EMPTY_PATH, AT_FDCWD } from './constants/mount.ts'
import { STATX_BASIC_STATS } from './constants/stat.ts'
import { SyscallError } from './errno.ts'
import { Fd } from './fd.ts'
import { cPath } from './file.ts'
import type { FileStatus } from './file-status.ts'
import { declare, lastErrno } from './libc.ts'

/** Bytes and a NUL. */
export type CName = Buffer

const { errno } = numbers

const noName: CName = Buffer.alloc(1)

/** The descriptor itself: what calls take for its number and no name. */
export const self = cPath('.')

const nativeOpen = declare<[number, CName, number, number], number>(
  'int openat(int dirfd, const void *path, int flags, uint32_t mode)',
)
const nativeStatx = declare<[number, CName, number, number, Buffer], number>(
  'int statx(int dirfd, const void *path, int flags, uint32_t mask, void *status)',
)
const nativeMkdir = declare<[number, CName, number], number>(
  'int mkdirat(int dirfd, const void *path, uint32_t mode)',
)
const nativeMknod = declare<[number, CName, number, bigint], number>(
  'int mknodat(int dirfd, const void *path, uint32_t mode, uint64_t device)',
)
const nativeSymlink = declare<[Buffer, number, CName], number>(
  'int symlinkat(const void *target, int dirfd, const void *path)',
)
const nativeReadlink = declare<[number, CName, Buffer, number], number>(
  'intptr_t readlinkat(int dirfd, const void *path, void *target, size_t size)',
)
const nativeLink = declare<[number, CName, number, CName, number], number>(
  'int linkat(int fromFd, const void *from, int toFd, const void *to, int flags)',
)
const nativeUnlink = declare<[number, CName, number], number>(
  'int unlinkat(int dirfd, const void *path, int flags)',
)
const nativeRename = declare<[number, CName, number, CName, number], number>(
  'int renameat2(int fromFd, const void *from, int toFd, const void *to, unsigned int flags)',
)
const nativeChown = declare<[number, CName, number, number, number], number>(
  'int fchownat(int dirfd, const void *path, uint32_t uid, uint32_t gid, int flags)',
)
const nativeChmod = declare<[number, number], number>('int fchmod(int fd, uint32_t mode)')
const nativeChmodAt = declare<[number, CName, number, number], number>(
  'int fchmodat(int dirfd, const void *path, uint32_t mode, int flags)',
)
const nativeUtimens = declare<[number, CName, Buffer, number], number>(
  'int utimensat(int dirfd, const void *path, const void *times, int flags)',
)

/** A name as people read it. */
export function nameText(name: CName): string {
  return name.toString('utf8', 0, name.length - 1)
}

function checkAt(result: number, call: string, name: CName): number {
  if (result < 0) throw new SyscallError(call, lastErrno(), nameText(name))
  return result
}

/** openat(2) with O_CLOEXEC and O_NOFOLLOW, and never waiting for a FIFO's other end. */
export function openAt(directory: number, name: CName, flags: number, mode = 0): number {
  const safe = flags | O_CLOEXEC | constants.O_NOFOLLOW | constants.O_NONBLOCK
  return checkAt(nativeOpen(directory, name, safe, mode), 'openat', name)
}

/** As openAt(), but -1 for whatever reason it fails. */
export function tryOpenAt(directory: number, name: CName, flags: number): number {
  return nativeOpen(directory, name, flags | O_CLOEXEC | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0)
}

/** Opens a directory that may be read, by path, which may lead over links, or once more by its descriptor (O_PATH too). */
export function openDirectory(directory: string | Buffer | Fd): Fd {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | O_CLOEXEC
  if (directory instanceof Fd)
    return new Fd(checkAt(nativeOpen(directory.number, self, flags, 0), 'openat', self))
  const path = cPath(directory)
  return new Fd(checkAt(nativeOpen(AT_FDCWD, path, flags, 0), 'open', path))
}

/** A directory in a directory, to be read. */
export function openDirectoryAt(directory: number, name: CName): number {
  return openAt(directory, name, constants.O_RDONLY | constants.O_DIRECTORY)
}

/** A place in the file system, whatever it is, that can be named but not read. */
export function openPlaceAt(directory: number, name: CName): number {
  return openAt(directory, name, O_PATH)
}

/** As openPlaceAt(); -1 when there is nothing of that name. */
export function findPlaceAt(directory: number, name: CName): number {
  const opened = tryOpenAt(directory, name, O_PATH)
  return opened < 0 && lastErrno() === errno.ENOENT ? -1 : checkAt(opened, 'openat', name)
}

/** Opens once more, by /proc, what a descriptor of openPlaceAt() stands for, whatever has its name by now. */
export function reopen(place: number, flags: number, name: CName): number {
  return checkAt(nativeOpen(AT_FDCWD, placePath(place), flags | O_CLOEXEC, 0), 'open', name)
}

function placePath(place: number): CName {
  return cPath(`/proc/self/fd/${place}`)
}

/** statx(2) of an entry. */
export function statAt(directory: number, name: CName, into: FileStatus): void {
  checkAt(nativeStatx(directory, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, into.bytes), 'statx', name)
}

/** As statAt(); false when there is no such entry, without the cost of an error. */
export function findAt(directory: number, name: CName, into: FileStatus): boolean {
  const result = nativeStatx(directory, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, into.bytes)
  if (result < 0 && lastErrno() === errno.ENOENT) return false
  checkAt(result, 'statx', name)
  return true
}

/** statx(2) of what a descriptor stands for. */
export function statOpen(fd: number, into: FileStatus): void {
  checkAt(nativeStatx(fd, noName, AT_EMPTY_PATH, STATX_BASIC_STATS, into.bytes), 'statx', self)
}

export function makeDirectoryAt(directory: number, name: CName, mode: number): void {
  checkAt(nativeMkdir(directory, name, mode), 'mkdirat', name)
}

export function makeNodeAt(directory: number, name: CName, mode: number, device: bigint): void {
  checkAt(nativeMknod(directory, name, mode, device), 'mknodat', name)
}

export function makeLinkAt(target: CName, directory: number, name: CName): void {
  checkAt(nativeSymlink(target, directory, name), 'symlinkat', name)
}

/** PATH_MAX of <linux/limits.h>: no link leads to a longer path. */
const LONGEST_PATH = 4096

/** Where a symbolic link leads, with a NUL. */
export function readLinkAt(directory: number, name: CName): CName {
  const target = Buffer.alloc(LONGEST_PATH + 1)
  const length = checkAt(Number(nativeReadlink(directory, name, target, LONGEST_PATH)), 'readlinkat', name)
  return target.subarray(0, length + 1)
}

/** linkat(2): a second name for what is at `from` below `fromDirectory`. */
export function hardLinkAt(fromDirectory: number, from: CName, directory: number, name: CName): void {
  checkAt(nativeLink(fromDirectory, from, directory, name, 0), 'linkat', name)
}

export function unlinkAt(directory: number, name: CName): void {
  checkAt(nativeUnlink(directory, name, 0), 'unlinkat', name)
}

export function removeDirectoryAt(directory: number, name: CName): void {
  checkAt(nativeUnlink(directory, name, AT_REMOVEDIR), 'rmdir', name)
}

/** renameat2(2) with RENAME_*: 0 replaces what is there, as rename(2) does. */
export function renameAt(
  fromDirectory: number,
  from: CName,
  directory: number,
  name: CName,
  flags = 0,
): void {
  checkAt(nativeRename(fromDirectory, from, directory, name, flags), 'rename', name)
}

/** Sets the owner, and the times as `FileStatus.times` has them, of an entry, a link itself included. */
export function setOwnerAt(directory: number, name: CName, uid: number, gid: number): void {
  checkAt(nativeChown(directory, name, uid, gid, AT_SYMLINK_NOFOLLOW), 'fchownat', name)
}

export function setOwner(fd: number, uid: number, gid: number): void {
  checkAt(nativeChown(fd, noName, uid, gid, AT_EMPTY_PATH), 'fchown', self)
}

/** By a descriptor, as chmod(2) has no way not to follow a link that somebody puts there meanwhile. Needs /proc. */
export function setModeAt(directory: number, name: CName, mode: number): void {
  using place = new Fd(openPlaceAt(directory, name))
  checkAt(nativeChmodAt(AT_FDCWD, placePath(place.number), mode, 0), 'fchmodat', name)
}

export function setMode(fd: number, mode: number): void {
  checkAt(nativeChmod(fd, mode), 'fchmod', self)
}

export function setTimesAt(directory: number, name: CName, times: Buffer): void {
  checkAt(nativeUtimens(directory, name, times, AT_SYMLINK_NOFOLLOW), 'utimensat', name)
}

const nativeFutimens = declare<[number, Buffer], number>('int futimens(int fd, const void *times)')

export function setTimes(fd: number, times: Buffer): void {
  checkAt(nativeFutimens(fd, times), 'futimens', self)
}

/** false when the entry is no longer there, or no longer what it was (EINVAL of readlinkat(2)). */
export function unlessGone(look: () => void): boolean {
  try {
    look()
    return true
  } catch (error) {
    if (error instanceof SyscallError && ['ENOENT', 'EINVAL'].includes(error.errnoName)) return false
    throw error
  }
}
