/**
 * Which device nodes a container may open. Root in a container may make any node (CAP_MKNOD), so this, not the
 * absence of nodes, is what keeps it from the machine's disks. The list stands at the parent cgroup, once: every
 * container's cgroup below it is held by it.
 */
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { attachDeviceProgram, countDevicePrograms } from './bpf.ts'

/** A character device that may be read and written; `minor` null is every one. */
export interface AllowedDevice {
  readonly major: number
  readonly minor: number | null
}

/** Docker's and runc's defaults. Making a node is always allowed, opening is not. */
export const allowedDevices: readonly AllowedDevice[] = [
  { major: 1, minor: 3 }, // null
  { major: 1, minor: 5 }, // zero
  { major: 1, minor: 7 }, // full
  { major: 1, minor: 8 }, // random
  { major: 1, minor: 9 }, // urandom
  { major: 5, minor: 0 }, // tty
  { major: 5, minor: 1 }, // console
  { major: 5, minor: 2 }, // ptmx
  { major: 10, minor: 200 }, // net/tun
  { major: 136, minor: null }, // pts/*
]

/** Puts the list on the cgroup at `directory`, unless it is there. */
export function restrictDevices(directory: string, version: 1 | 2): void {
  if (version === 1) writeDeviceList(directory)
  else attachOnce(directory)
}

/** Version 1 has files; a new cgroup allows what its parent does. */
function writeDeviceList(directory: string): void {
  if (!readFileSync(`${directory}/devices.list`, 'utf8').startsWith('a ')) return
  writeFileSync(`${directory}/devices.deny`, 'a')
  for (const type of ['c', 'b']) writeFileSync(`${directory}/devices.allow`, `${type} *:* m`)
  for (const { major, minor } of allowedDevices) {
    writeFileSync(`${directory}/devices.allow`, `c ${major}:${minor ?? '*'} rwm`)
  }
}

/** Version 2 asks a BPF program, which stays with the cgroup. */
function attachOnce(directory: string): void {
  const fd = openSync(directory, 'r')
  try {
    if (countDevicePrograms(fd) === 0) attachDeviceProgram(fd, deviceProgram(allowedDevices))
  } finally {
    closeSync(fd)
  }
}

/** struct bpf_cgroup_dev_ctx of <linux/bpf.h>: the access in the upper half of the first word, the type in the lower. */
const BPF_DEVCG_ACC_MKNOD = 1
const BPF_DEVCG_DEV_CHAR = 2

/** Opcodes of eBPF (<linux/bpf.h>): class, operation and operand; registers r0 to r10. */
const LOAD_WORD = 0x61
const MOVE = 0xb7
const MOVE_REGISTER = 0xbf
const SHIFT_RIGHT = 0x77
const AND = 0x57
const JUMP_NOT_EQUAL = 0x55
const EXIT = 0x95

/** The eBPF program (struct bpf_insn[]) which returns 1 for what is allowed: r1 the context, r2 access, r3 type, r4 major, r5 minor. */
export function deviceProgram(devices: readonly AllowedDevice[]): Buffer {
  return Buffer.concat([
    instruction(LOAD_WORD, 2, 1, 0, 0),
    instruction(LOAD_WORD, 4, 1, 4, 0),
    instruction(LOAD_WORD, 5, 1, 8, 0),
    instruction(MOVE_REGISTER, 3, 2, 0, 0),
    instruction(AND, 3, 0, 0, 0xffff),
    instruction(SHIFT_RIGHT, 2, 0, 0, 16),
    instruction(JUMP_NOT_EQUAL, 2, 0, answerLength, BPF_DEVCG_ACC_MKNOD),
    answer(1),
    instruction(
      JUMP_NOT_EQUAL,
      3,
      0,
      devices.reduce((sum, device) => sum + checkLength(device), 0),
      BPF_DEVCG_DEV_CHAR,
    ),
    ...devices.map(deviceCheck),
    answer(0),
  ])
}

const answerLength = 2

function answer(value: number): Buffer {
  return Buffer.concat([instruction(MOVE, 0, 0, 0, value), instruction(EXIT, 0, 0, 0, 0)])
}

function checkLength({ minor }: AllowedDevice): number {
  return (minor === null ? 1 : 2) + answerLength
}

function deviceCheck(device: AllowedDevice): Buffer {
  const { major, minor } = device
  return Buffer.concat([
    instruction(JUMP_NOT_EQUAL, 4, 0, checkLength(device) - 1, major),
    ...(minor === null ? [] : [instruction(JUMP_NOT_EQUAL, 5, 0, answerLength, minor)]),
    answer(1),
  ])
}

/** struct bpf_insn { u8 code; u8 dst:4, src:4; s16 off; s32 imm } */
function instruction(
  code: number,
  destination: number,
  source: number,
  offset: number,
  value: number,
): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt8(code, 0)
  bytes.writeUInt8((source << 4) | destination, 1)
  bytes.writeInt16LE(offset, 2)
  bytes.writeInt32LE(value, 4)
  return bytes
}
