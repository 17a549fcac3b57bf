/**
 * Docker's default seccomp profile as data: what a container's program may ask of the kernel. Calls that are not here
 * are refused. The names are those of all supported architectures; a name that an architecture lacks does nothing.
 */
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
} from './constants/sched.ts'
import type { SeccompProfile, SeccompRule } from './seccomp-rules.ts'

const words = (text: string): string[] => text.trim().split(/\s+/)

const files = words(`
  access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2
  fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync
  flock fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64
  ioctl lchown lchown32 link linkat listmount _llseek lseek lstat lstat64 mkdir mkdirat mknod mknodat
  name_to_handle_at newfstatat open openat openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read
  readahead readlink readlinkat readv rename renameat renameat2 rmdir sendfile sendfile64 splice stat stat64 statfs
  statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat
  utime utimensat utimensat_time64 utimes vmsplice write writev`)

const attributes = words(`
  fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat llistxattr
  lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat`)

const waiting = words(`
  epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
  eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy
  io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit _newselect poll ppoll ppoll_time64 pselect6
  pselect6_time64 select`)

const sockets = words(`
  accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 recvmsg
  send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair`)

const memory = words(`
  brk cachestat get_thread_area madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2
  mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect
  remap_file_pages set_thread_area`)

const processes = words(`
  capget capset execve execveat exit exit_group fork getcpu getpgid getpgrp getpid getppid getpriority getrlimit
  getrusage getsid gettid ioprio_get ioprio_set pidfd_open pidfd_send_signal prctl prlimit64 process_mrelease
  restart_syscall riscv_hwprobe rseq sched_getaffinity sched_getattr sched_getparam sched_get_priority_max
  sched_get_priority_min sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity
  sched_setattr sched_setparam sched_setscheduler sched_yield setpgid setpriority setrlimit setsid set_tid_address
  times ugetrlimit uretprobe vfork wait4 waitid waitpid`)

const identity = words(`
  getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32 getresuid
  getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid
  setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32`)

const signals = words(`
  kill pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
  rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack signalfd signalfd4 sigprocmask sigreturn tgkill tkill`)

const time = words(`
  adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
  clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete
  timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
  timerfd_gettime64 timerfd_settime timerfd_settime64`)

const communication = words(`
  futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake get_robust_list ipc mq_getsetattr mq_notify
  mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv
  msgsnd semctl semget semop semtimedop semtimedop_time64 set_robust_list shmat shmctl shmdt shmget`)

const system = words(`
  getrandom landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp sysinfo uname`)

const allow = (names: string[], condition: Partial<SeccompRule> = {}): SeccompRule => ({
  names,
  action: 'SCMP_ACT_ALLOW',
  ...condition,
})

/** Calls that a capability opens. */
const withCapability = (capability: string, names: string): SeccompRule =>
  allow(words(names), { includes: { caps: [`CAP_${capability}`] } })

/** Personalities that programs are known to ask for; the last one asks only which it is. */
const PER_LINUX32 = 0x0008
const UNAME26 = 0x0020000
const personalities = [0, PER_LINUX32, UNAME26, UNAME26 | PER_LINUX32, 0xffffffff]

/** The kernel's crypto interface and the sockets to the machine's hypervisor stay closed. */
const AF_ALG = 38
const AF_VSOCK = 40

const CLONE_NEW =
  CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP

const ENOSYS = 38

/**
 * No defaultErrnoRet: the answer is then EPERM, and ENOSYS for calls newer than all of these, so that programs fall
 * back to older calls instead of failing.
 */
export const defaultProfile: SeccompProfile = {
  defaultAction: 'SCMP_ACT_ERRNO',
  archMap: [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
  ],
  syscalls: [
    allow([
      ...files,
      ...attributes,
      ...waiting,
      ...sockets,
      ...memory,
      ...processes,
      ...identity,
      ...signals,
      ...time,
      ...communication,
      ...system,
    ]),
    // before Linux 4.8 a filter could be escaped through ptrace
    allow(words('process_vm_readv process_vm_writev ptrace'), { includes: { minKernel: '4.8' } }),

    allow(['socket'], { args: [{ index: 0, value: AF_ALG, op: 'SCMP_CMP_LT' }] }),
    allow(['socket'], { args: [{ index: 0, value: AF_ALG + 1, op: 'SCMP_CMP_EQ' }] }),
    allow(['socket'], { args: [{ index: 0, value: AF_VSOCK, op: 'SCMP_CMP_GT' }] }),
    ...personalities.map((value) =>
      allow(['personality'], { args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }] }),
    ),

    allow(words('arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls'), {
      includes: { arches: ['arm', 'arm64'] },
    }),
    allow(['arch_prctl'], { includes: { arches: ['amd64', 'x32'] } }),
    allow(['modify_ldt'], { includes: { arches: ['amd64', 'x32', 'x86'] } }),

    // without CAP_SYS_ADMIN threads and processes, but no namespaces: clone3 hides its flags behind a pointer, where a
    // filter cannot look, so the C library is told to use clone
    allow(['clone'], {
      args: [{ index: 0, value: CLONE_NEW, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
      excludes: { caps: ['CAP_SYS_ADMIN'] },
    }),
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS, excludes: { caps: ['CAP_SYS_ADMIN'] } },

    withCapability('DAC_READ_SEARCH', 'open_by_handle_at'),
    withCapability(
      'SYS_ADMIN',
      `bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules
       lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname
       sethostname setns syslog umount umount2 unshare`,
    ),
    withCapability('SYS_BOOT', 'reboot'),
    withCapability('SYS_CHROOT', 'chroot'),
    withCapability('SYS_MODULE', 'delete_module init_module finit_module'),
    withCapability('SYS_PACCT', 'acct'),
    withCapability(
      'SYS_PTRACE',
      'kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace',
    ),
    withCapability('SYS_RAWIO', 'iopl ioperm'),
    withCapability('SYS_TIME', 'settimeofday stime clock_settime clock_settime64'),
    withCapability('SYS_TTY_CONFIG', 'vhangup'),
    withCapability('SYS_NICE', 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node'),
    withCapability('SYSLOG', 'syslog'),
    withCapability('BPF', 'bpf'),
    withCapability('PERFMON', 'perf_event_open'),
  ],
}
