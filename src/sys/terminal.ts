/** Pseudo-terminals (pty(7), ioctl_tty(2)). */
import { constants, openSync } from 'node:fs'
import { RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS } from './constants/fcntl.ts'
import { TIOCGPTN, TIOCSCTTY, TIOCSPTLCK, TIOCSWINSZ } from './constants/ioctls.ts'
import { Fd } from './fd.ts'
import { check, declare } from './libc.ts'
import { openResolved } from './openat2.ts'

const nativeIoctl = declare<[number, number, Buffer | null], number>(
  'int ioctl(int fd, unsigned long request, void *argument)',
)

const nativeIsatty = declare<[number], number>('int isatty(int fd)')

/** isatty(3). Node's own is in a module that loads its network with it, 3 ms of each start. */
export function isTerminal(fd: number): boolean {
  return nativeIsatty(fd) === 1
}

/** The master of a new pseudo-terminal, and the number N of its slave `<devpts>/N`, ready to be opened. */
export interface Pty {
  readonly master: Fd
  readonly number: number
}

/** Whatever links are below `root`, they lead to nothing beyond. */
function openBelow(root: string, path: string, flags: number): Fd {
  using directory = new Fd(openSync(root, constants.O_RDONLY | constants.O_DIRECTORY))
  return openResolved(directory, path, { flags, resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS })
}

/** Makes a pseudo-terminal in the devpts instance at `dev/pts` below `root`, which may be a container's. */
export function openPty(root: string): Pty {
  const master = openBelow(root, 'dev/pts/ptmx', constants.O_RDWR | constants.O_NOCTTY)
  try {
    const value = Buffer.alloc(4)
    check(nativeIoctl(master.number, TIOCSPTLCK, value), 'ioctl', 'TIOCSPTLCK')
    check(nativeIoctl(master.number, TIOCGPTN, value), 'ioctl', 'TIOCGPTN')
    return { master, number: value.readInt32LE(0) }
  } catch (error) {
    master.close()
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
