/** Pseudo-terminals (pty(7), ioctl_tty(2)). */
import { closeSync, constants, openSync } from 'node:fs'
import { TIOCGPTN, TIOCSCTTY, TIOCSPTLCK, TIOCSWINSZ } from './constants/ioctls.ts'
import { Fd } from './fd.ts'
import { check, declare } from './libc.ts'

const nativeIoctl = declare<[number, number, Buffer | null], number>(
  'int ioctl(int fd, unsigned long request, void *argument)',
)

/** The master of a new pseudo-terminal, and the number N of its slave `<devpts>/N`, ready to be opened. */
export interface Pty {
  readonly master: Fd
  readonly number: number
}

/** Makes a pseudo-terminal in the devpts instance behind `ptmx`, e.g. `/dev/pts/ptmx`. */
export function openPty(ptmx: string): Pty {
  const master = openSync(ptmx, constants.O_RDWR | constants.O_NOCTTY)
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
