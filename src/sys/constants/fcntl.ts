/** <fcntl.h> */
export const F_GETFD = 1
export const F_SETFD = 2
export const F_GETFL = 3
export const F_SETFL = 4
export const F_SETOWN = 8
export const F_DUPFD_CLOEXEC = 1030
export const FD_CLOEXEC = 1
export const O_ASYNC = 0o20000
export const O_CLOEXEC = 0o2000000
export const O_PATH = 0o10000000
export const AT_SYMLINK_NOFOLLOW = 0x100
export const AT_REMOVEDIR = 0x200

/** <sys/file.h> */
export const LOCK_EX = 2

/** <unistd.h> */
export const SEEK_DATA = 3
export const SEEK_HOLE = 4

/** <linux/openat2.h> */
export const RESOLVE_NO_MAGICLINKS = 0x02
export const RESOLVE_NO_SYMLINKS = 0x04
export const RESOLVE_BENEATH = 0x08
export const RESOLVE_IN_ROOT = 0x10

/** <linux/close_range.h> */
export const CLOSE_RANGE_CLOEXEC = 4
