/** bpf(2), as far as the device rules of cgroup version 2 and filters of sockets need it. */
import { closeSync } from 'node:fs'
import {
  BPF_CGROUP_DEVICE,
  BPF_F_ALLOW_MULTI,
  BPF_PROG_ATTACH,
  BPF_PROG_LOAD,
  BPF_PROG_QUERY,
  BPF_PROG_TYPE_CGROUP_DEVICE,
} from './constants/bpf.ts'
import { SYS_bpf } from './constants/unistd.ts'
import { check, declare, koffi } from './libc.ts'

const nativeBpf = declare<[number, number, Buffer, number], number>(
  'long syscall(long number, int command, void *attributes, unsigned int size)',
)

const instructionBytes = 8

function bpf(command: number, name: string, attributes: Buffer): number {
  return check(nativeBpf(SYS_bpf, command, attributes, attributes.length), 'bpf', name)
}

/** Loads a program of struct bpf_insn[] and attaches it to the cgroup, beside what others attached. */
export function attachDeviceProgram(cgroup: number, instructions: Buffer): void {
  const program = loadProgram(BPF_PROG_TYPE_CGROUP_DEVICE, instructions)
  try {
    // target_fd, attach_bpf_fd, attach_type, attach_flags
    bpf(BPF_PROG_ATTACH, 'BPF_PROG_ATTACH', words(cgroup, program, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI))
  } finally {
    closeSync(program)
  }
}

/** Loads a struct bpf_insn[] and returns its descriptor. Throws SyscallError, EPERM where the daemon may not. */
export function loadProgram(type: number, instructions: Buffer): number {
  const license = Buffer.from('Apache-2.0\0')
  // prog_type, insn_cnt, insns, license, then log_level, log_size, log_buf, kern_version, prog_flags: none
  const attributes = Buffer.alloc(48)
  attributes.writeUInt32LE(type, 0)
  attributes.writeUInt32LE(instructions.length / instructionBytes, 4)
  attributes.writeBigUInt64LE(BigInt(koffi.address(instructions)), 8)
  attributes.writeBigUInt64LE(BigInt(koffi.address(license)), 16)
  return bpf(BPF_PROG_LOAD, 'BPF_PROG_LOAD', attributes)
}

/** How many device programs are attached to the cgroup itself. */
export function countDevicePrograms(cgroup: number): number {
  // target_fd, attach_type, query_flags, attach_flags, prog_ids (8 bytes), prog_cnt: no room for ids, so only a count
  const attributes = words(cgroup, BPF_CGROUP_DEVICE, 0, 0, 0, 0, 0, 0)
  bpf(BPF_PROG_QUERY, 'BPF_PROG_QUERY', attributes)
  return attributes.readUInt32LE(24)
}

function words(...values: readonly number[]): Buffer {
  return Buffer.from(Uint32Array.from(values).buffer)
}
