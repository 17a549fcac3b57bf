/** <sys/stat.h> and <linux/stat.h> */
export const S_IFMT = 0o170000
export const S_IFIFO = 0o010000
export const S_IFCHR = 0o020000
export const S_IFDIR = 0o040000
export const S_IFBLK = 0o060000
export const S_IFREG = 0o100000
export const S_IFLNK = 0o120000
export const S_IFSOCK = 0o140000
export const STATX_BASIC_STATS = 0x7ff
export const STATX_ATTR_MOUNT_ROOT = 0x2000

/** <dirent.h>: the type of a directory's entry, 0 where the file system does not tell */
export const DT_UNKNOWN = 0
export const DT_DIR = 4
export const DT_REG = 8

/** <sys/stat.h> */
export const UTIME_OMIT = (1n << 30n) - 2n
