/**
 * Filters by which sockets discard packets (socket(7)). Any number of sockets shares one eBPF program; where bpf(2) is refused
 * each gets one in classic BPF, which takes a page of the kernel's memory.
 */
import { loadProgram } from './bpf.ts'
import { BPF_PROG_TYPE_SOCKET_FILTER } from './constants/bpf.ts'
import {
  BPF_JMP_JEQ_K,
  BPF_LD_H_ABS,
  BPF_RET_K,
  ETH_P_IP,
  SKF_AD_PROTOCOL_OFFSET,
  SO_ATTACH_BPF,
  SO_ATTACH_FILTER,
  SO_DETACH_FILTER,
  SOL_SOCKET,
} from './constants/socket.ts'
import { SyscallError } from './errno.ts'
import type { Fd } from './fd.ts'
import { i32, struct, u8, u16, u32 } from './layout.ts'
import { check, declare, koffi } from './libc.ts'

const nativeSetsockopt = declare<[number, number, number, Buffer, number], number>(
  'int setsockopt(int, int, int, const void *, uint32_t)',
)

export const sock_filter = struct({ code: u16, jt: u8, jf: u8, k: u32 })
export const bpf_insn = struct({ code: u8, registers: u8, off: u16, imm: i32 })

/** What a filter lets pass: nothing, or what comes by IPv6. The number that it returns is how many bytes to keep. */
export type Passing = 'nothing' | 'ipv6'

const ret = (k: number) => sock_filter.encode({ code: BPF_RET_K, jt: 0, jf: 0, k })

const classic: Readonly<Record<Passing, Buffer>> = {
  nothing: ret(0),
  ipv6: Buffer.concat([
    sock_filter.encode({ code: BPF_LD_H_ABS, jt: 0, jf: 0, k: SKF_AD_PROTOCOL_OFFSET }),
    sock_filter.encode({ code: BPF_JMP_JEQ_K, jt: 0, jf: 1, k: ETH_P_IP }),
    ret(0),
    ret(0xffffffff),
  ]),
}

/** eBPF's opcodes; r0 is the answer, r1 points to the struct __sk_buff, whose `protocol`, in network order, is at 16. */
const moveR0 = (imm: number) => bpf_insn.encode({ code: 0xb7, registers: 0, off: 0, imm })
const loadProtocolToR2 = bpf_insn.encode({ code: 0x61, registers: 0x12, off: 16, imm: 0 })
const skipNextIfR2Is = (imm: number) => bpf_insn.encode({ code: 0x15, registers: 2, off: 1, imm })
const exit = bpf_insn.encode({ code: 0x95, registers: 0, off: 0, imm: 0 })
const networkOrder = (value: number) => ((value & 0xff) << 8) | (value >> 8)

const extended: Readonly<Record<Passing, Buffer>> = {
  nothing: Buffer.concat([moveR0(0), exit]),
  ipv6: Buffer.concat([
    moveR0(0),
    loadProtocolToR2,
    skipNextIfR2Is(networkOrder(ETH_P_IP)),
    moveR0(-1),
    exit,
  ]),
}

/** The option and its value that attach a filter; made once. */
interface Attachment {
  readonly option: number
  readonly value: Buffer
  /** Memory that `value` points to. */
  readonly keeps: Buffer
}

const attachments = new Map<Passing, Attachment>()

/** Takes the place of the filter that the socket has. */
export function attachFilter(fd: Fd, passing: Passing): void {
  const attachment = attachments.get(passing) ?? prepare(passing)
  attachments.set(passing, attachment)
  const { option, value } = attachment
  check(nativeSetsockopt(fd.number, SOL_SOCKET, option, value, value.length), 'setsockopt', 'a filter')
}

/** The same for a filter of one socket's own, in classic BPF: struct sock_filter after struct sock_filter. */
export function attachSteps(fd: Fd, steps: Buffer): void {
  const program = describeProgram(steps)
  const result = nativeSetsockopt(fd.number, SOL_SOCKET, SO_ATTACH_FILTER, program, program.length)
  check(result, 'setsockopt', 'SO_ATTACH_FILTER')
}

const nothing = Buffer.alloc(4)

export function detachFilter(fd: Fd): void {
  const result = nativeSetsockopt(fd.number, SOL_SOCKET, SO_DETACH_FILTER, nothing, nothing.length)
  check(result, 'setsockopt', 'SO_DETACH_FILTER')
}

function prepare(passing: Passing): Attachment {
  try {
    const program = loadProgram(BPF_PROG_TYPE_SOCKET_FILTER, extended[passing])
    return { option: SO_ATTACH_BPF, value: i32Buffer(program), keeps: nothing }
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    const steps = classic[passing]
    return { option: SO_ATTACH_FILTER, value: describeProgram(steps), keeps: steps }
  }
}

function i32Buffer(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}

/** struct sock_fprog: a count in 16 bits, padding, a pointer */
function describeProgram(steps: Buffer): Buffer {
  const program = Buffer.alloc(16)
  program.writeUInt16LE(steps.length / sock_filter.size, 0)
  program.writeBigUInt64LE(BigInt(koffi.address(steps)), 8)
  return program
}
