/** Applies a compiled seccomp filter; `seccomp-filter.ts` compiles. Short, because every container's init loads it. */
import {
  SECCOMP_FILTER_FLAG_SPEC_ALLOW,
  SECCOMP_SET_MODE_FILTER,
  SOCK_FILTER_BYTES,
} from './constants/seccomp.ts'
import { SYS_seccomp } from './constants/unistd.ts'
import { check, declare, koffi } from './libc.ts'

const nativeSeccomp = declare<[number, number, number, Buffer], number>(
  'long syscall(long number, long operation, long flags, const void *program)',
)

/**
 * seccomp(2): puts the calling thread, and what it becomes by execve, under `filter`, a struct sock_filter[]. Needs
 * no_new_privs or CAP_SYS_ADMIN. Other threads stay free: they end at execve. From here on the thread may only make
 * synchronous calls and must end by `execve` or `exitNow`: Node's event loop aborts where io_uring is refused.
 */
export function loadSeccompFilter(filter: Buffer): void {
  // struct sock_fprog: a count in 16 bits, padding, a pointer
  const program = Buffer.alloc(16)
  program.writeUInt16LE(filter.length / SOCK_FILTER_BYTES, 0)
  program.writeBigUInt64LE(BigInt(koffi.address(filter)), 8)
  check(
    nativeSeccomp(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, program),
    'seccomp',
    'SECCOMP_SET_MODE_FILTER',
  )
}
