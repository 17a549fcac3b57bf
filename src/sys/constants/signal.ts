/** <bits/sigaction.h> and, for the real-time signals as glibc offers them, <bits/signum-generic.h> */
export const SIG_SETMASK = 2
export const SIGRTMIN = 34
export const SIGRTMAX = 64

export const SIG_DFL = 0
