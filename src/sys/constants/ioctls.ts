/** <asm-generic/ioctls.h>: terminals, the same on both supported architectures. */
export const TIOCSCTTY = 0x540e
export const TIOCSWINSZ = 0x5414
export const TIOCGPTN = 0x80045430
export const TIOCSPTLCK = 0x40045431

/** <linux/fs.h> */
export const FICLONE = 0x40049409
