/** <fcntl.h> */
export const F_GETFD = 1
export const F_SETFD = 2
export const FD_CLOEXEC = 1

/** <linux/close_range.h> */
export const CLOSE_RANGE_CLOEXEC = 4
