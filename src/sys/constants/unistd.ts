/** <asm/unistd.h>: numbers of the system calls that libc does not wrap as they are needed here. */
const arm64 = process.arch === 'arm64'

export const SYS_capset = arm64 ? 91 : 126
export const SYS_setgroups = arm64 ? 159 : 116
export const SYS_setresuid = arm64 ? 147 : 117
export const SYS_setresgid = arm64 ? 149 : 119
export const SYS_seccomp = arm64 ? 277 : 317
export const SYS_bpf = arm64 ? 280 : 321
export const SYS_pidfd_send_signal = 424
export const SYS_pidfd_open = 434
export const SYS_close_range = 436
export const SYS_openat2 = 437
export const SYS_fsopen = 430
export const SYS_fsconfig = 431
export const SYS_fsmount = 432
export const SYS_quotactl_fd = 443
