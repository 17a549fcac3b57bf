/** <linux/seccomp.h> */
export const SECCOMP_SET_MODE_FILTER = 1
export const SECCOMP_FILTER_FLAG_SPEC_ALLOW = 1 << 2

/** <linux/filter.h>: struct sock_filter is 8 bytes, and a program has at most so many. */
export const SOCK_FILTER_BYTES = 8
export const BPF_MAXINSNS = 4096
