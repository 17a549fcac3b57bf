/**
 * The start of a filter that answers ENOSYS to system calls newer than all that a profile names: a C library then falls
 * back to an older call, where on EPERM it would give up. Written by hand in classic BPF (<linux/filter.h>), as
 * libseccomp has no rule for ranges of numbers.
 */
import { constants } from 'node:os'
import { SOCK_FILTER_BYTES } from './constants/seccomp.ts'
import { SCMP_ARCH_X32 } from './libseccomp.ts'

/** BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_{JEQ,JGT,JSET}|BPF_K, BPF_RET|BPF_K */
const LOAD = 0x20
const JUMP_EQUAL = 0x15
const JUMP_GREATER = 0x25
const JUMP_SET = 0x45
const RETURN = 0x06

/** Offsets in struct seccomp_data */
const NUMBER = 0
const ARCHITECTURE = 4

const SECCOMP_RET_ERRNO = 0x00050000
const AUDIT_ARCH_X86_64 = 0xc000003e
/** Set in the numbers of the x32 ABI, which the kernel reports as x86_64. */
export const X32_SYSCALL_BIT = 0x40000000

export interface LastCall {
  /** AUDIT_ARCH_*, or libseccomp's own token for x32 */
  readonly architecture: number
  /** The highest number that stays with the rest of the filter. */
  readonly last: number
}

/** One block for each architecture; each falls through to the next, and the last one to the filter that follows. */
export function missingCallsPrologue(lastCalls: readonly LastCall[]): Buffer[] {
  return lastCalls.map(block)
}

function block({ architecture, last }: LastCall): Buffer {
  const isX32 = architecture === SCMP_ARCH_X32
  const auditArch = isX32 ? AUDIT_ARCH_X86_64 : architecture
  const checksBit = auditArch === AUDIT_ARCH_X86_64
  const rest = checksBit ? 4 : 3
  return Buffer.concat([
    instruction(LOAD, 0, 0, ARCHITECTURE),
    instruction(JUMP_EQUAL, 0, rest, auditArch),
    instruction(LOAD, 0, 0, NUMBER),
    // to the end of the block when the number belongs to the other ABI
    ...(checksBit ? [instruction(JUMP_SET, isX32 ? 0 : 2, isX32 ? 2 : 0, X32_SYSCALL_BIT)] : []),
    instruction(JUMP_GREATER, 0, 1, last),
    instruction(RETURN, 0, 0, SECCOMP_RET_ERRNO + constants.errno.ENOSYS),
  ])
}

/** struct sock_filter { u16 code; u8 jt, jf; u32 k }: the jumps count the instructions to pass over. */
function instruction(code: number, ifTrue: number, ifFalse: number, k: number): Buffer {
  const bytes = Buffer.alloc(SOCK_FILTER_BYTES)
  bytes.writeUInt16LE(code, 0)
  bytes.writeUInt8(ifTrue, 2)
  bytes.writeUInt8(ifFalse, 3)
  bytes.writeUInt32LE(k, 4)
  return bytes
}
