/** <sys/stat.h> and <linux/stat.h> */
export const S_IFIFO = 0o010000
export const S_IFCHR = 0o020000
export const S_IFBLK = 0o060000
export const UTIME_OMIT = (1n << 30n) - 2n
