/** <fcntl.h> */
export const F_GETFD = 1
export const F_SETFD = 2
export const FD_CLOEXEC = 1

/** <linux/openat2.h> */
export const RESOLVE_NO_MAGICLINKS = 0x02
export const RESOLVE_IN_ROOT = 0x10

/** <linux/close_range.h> */
export const CLOSE_RANGE_CLOEXEC = 4
