/** Pseudo-terminals (pty(7), ioctl_tty(2)). */
import { closeSync, constants, openSync } from 'node:fs'
import { RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS } from './constants/fcntl.ts'
import { TIOCGPTN, TIOCSCTTY, TIOCSPTLCK, TIOCSWINSZ } from './constants/ioctls.ts'
import { SYS_openat2 } from './constants/unistd.ts'
import { Fd } from './fd.ts'
import { check, declare } from './libc.ts'

const nativeIoctl = declare<[number, number, Buffer | null], number>(
  'int ioctl(int fd, unsigned long request, void *argument)',
)

const nativeOpenat2 = declare<[number, number, string, Buffer, number], number>(
  'long syscall(long number, int directory, const char *path, void *how, size_t size)',
)

/** The master of a new pseudo-terminal, and the number N of its slave `<devpts>/N`, ready to be opened. */
export interface Pty {
  readonly master: Fd
  readonly number: number
}

/** openat2(2), with `root` as the root directory: whatever links are below it, they lead to nothing beyond. */
function openBelow(root: string, path: string, flags: number): number {
  const directory = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    // struct open_how: flags, mode, resolve
    const how = Buffer.alloc(24)
    how.writeBigUInt64LE(BigInt(flags), 0)
    how.writeBigUInt64LE(BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS), 16)
    return check(nativeOpenat2(SYS_openat2, directory, path, how, how.length), 'openat2', `${root}/${path}`)
  } finally {
    closeSync(directory)
  }
}

/** <fcntl.h>; node:fs sets it for itself. */
const O_CLOEXEC = 0o2000000

/** Makes a pseudo-terminal in the devpts instance at `dev/pts` below `root`, which may be a container's. */
export function openPty(root: string): Pty {
  const master = openBelow(root, 'dev/pts/ptmx', constants.O_RDWR | constants.O_NOCTTY | O_CLOEXEC)
  try {
    const value = Buffer.alloc(4)
    check(nativeIoctl(master, TIOCSPTLCK, value), 'ioctl', 'TIOCSPTLCK')
    check(nativeIoctl(master, TIOCGPTN, value), 'ioctl', 'TIOCGPTN')
    return { master: new Fd(master), number: value.readInt32LE(0) }
  } catch (error) {
    closeSync(master)
    throw error
  }
}

/** TIOCSCTTY: the terminal becomes the controlling one of the caller's session, which must have none (see setsid). */
export function setControllingTerminal(fd: number): void {
  check(nativeIoctl(fd, TIOCSCTTY, null), 'ioctl', 'TIOCSCTTY')
}

/** TIOCSWINSZ: struct winsize is rows, columns and two unused sizes in pixels; SIGWINCH follows. */
export function setWindowSize(fd: number, rows: number, columns: number): void {
  const winsize = Buffer.alloc(8)
  winsize.writeUInt16LE(rows, 0)
  winsize.writeUInt16LE(columns, 2)
  check(nativeIoctl(fd, TIOCSWINSZ, winsize), 'ioctl', 'TIOCSWINSZ')
}
