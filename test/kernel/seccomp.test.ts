import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { defaultCapabilities } from '../../src/sys/caps.ts'
import { buildSeccompFilter } from '../../src/sys/seccomp-filter.ts'
import { become, statusOf } from '../helpers/become.ts'
import { type Call, callingCommand } from '../helpers/syscalls.ts'

const arm64 = process.arch === 'arm64'
const number = (x64: number, arm: number) => (arm64 ? arm : x64)

const socket = number(41, 198)
const clone = number(56, 220)
const personality = number(135, 92)
const mount = number(165, 40)
const addKey = number(248, 217)
const keyctl = number(250, 219)
const unshare = number(272, 97)
const setns = number(308, 268)
const getcpu = number(309, 168)
const bpf = number(321, 280)
const userfaultfd = number(323, 282)
const ioUringSetup = 425
const clone3 = 435
const newerThanAll = 900

const CLONE_NEWUSER = 0x10000000
const SOCK_STREAM = 1

function filterOf(profile: string, caps: readonly string[] = defaultCapabilities): string {
  return buildSeccompFilter(profile, caps).toString('base64')
}

/** How each call ends in a program under the filter. */
function calls(
  filter: string,
  list: readonly Call[],
  caps: readonly string[] = defaultCapabilities,
): string[] {
  const { stdout, stderr } = become({ caps, filter, argv: callingCommand(list) })
  if (stdout === '') throw new Error(`the program did not run: ${stderr}`)
  return JSON.parse(stdout)
}

describe('the default profile', () => {
  const filter = filterOf('default')

  test('is in force in the program, without no_new_privs', () => {
    expect(statusOf({ filter, caps: defaultCapabilities })).toMatchObject({ Seccomp: '2', NoNewPrivs: '0' })
  })

  test('can be loaded by a user without capabilities under no_new_privs', () => {
    const status = statusOf({ filter, uid: 1234, gid: 1234, noNewPrivileges: true })
    expect(status).toMatchObject({ Seccomp: '2', NoNewPrivs: '1', CapEff: '0'.repeat(16) })
  })

  test.each([
    ['keyctl', [keyctl, 0, 0]],
    ['add_key', [addKey]],
    ['mount', [mount]],
    ['unshare of a user namespace', [unshare, CLONE_NEWUSER]],
    ['setns', [setns, -1, 0]],
    ['clone of a user namespace', [clone, CLONE_NEWUSER]],
    ['bpf', [bpf]],
    ['userfaultfd', [userfaultfd]],
    ['io_uring_setup', [ioUringSetup]],
    ['a socket to the crypto interface', [socket, 38, SOCK_STREAM]],
    ['a socket to the hypervisor', [socket, 40, SOCK_STREAM]],
    ['a personality without address randomisation', [personality, 0x0040000]],
  ] as const)('refuses %s with EPERM', (_, call) => {
    expect(calls(filter, [call])).toEqual(['EPERM'])
  })

  test('answers ENOSYS to clone3, so that the C library takes clone', () => {
    expect(calls(filter, [[clone3, 0, 0]])).toEqual(['ENOSYS'])
  })

  test('answers ENOSYS to calls that are newer than itself', () => {
    expect(calls(filter, [[newerThanAll]])).toEqual(['ENOSYS'])
  })

  test.skipIf(arm64)(
    'refuses the x32 ABI where the kernel lacks it, and its dangerous calls anywhere',
    () => {
      const x32 = 0x40000000
      const [getpidAnswer, keyctlAnswer] = calls(filter, [[x32 + 39], [x32 + keyctl]])
      const outside = JSON.parse(become({ argv: callingCommand([[x32 + 39]]) }).stdout)
      expect([getpidAnswer]).toEqual(outside)
      expect(['EPERM', 'ENOSYS']).toContain(keyctlAnswer)
    },
  )

  test('lets through sockets of other families, usual personalities and harmless calls', () => {
    const [inet, between, ask, plain, cpu] = calls(filter, [
      [socket, 2, SOCK_STREAM],
      [socket, 39, SOCK_STREAM],
      [personality, 0xffffffff],
      [personality, 0],
      [getcpu],
    ])
    expect([inet, ask, plain, cpu]).toEqual(['ok', 'ok', 'ok', 'ok'])
    // AF_NFC: not refused, but hardly a kernel has it
    expect(between).not.toBe('EPERM')
  })

  test('lets a shell run programs and pipes', () => {
    const argv = ['/bin/busybox', 'sh', '-c', 'echo hello | busybox tr a-z A-Z']
    expect(become({ filter, caps: defaultCapabilities, argv }).stdout).toBe('HELLO\n')
  })

  test('opens to CAP_SYS_ADMIN what belongs to it', () => {
    const caps = [...defaultCapabilities, 'SYS_ADMIN']
    const [clone3Answer, setnsAnswer, keyctlAnswer] = calls(
      filterOf('default', caps),
      [
        [clone3, 0, 0],
        [setns, -1, 0],
        [keyctl, 0, 0],
      ],
      caps,
    )
    expect({ clone3Answer, setnsAnswer, keyctlAnswer }).toEqual({
      clone3Answer: 'EINVAL',
      setnsAnswer: 'EBADF',
      keyctlAnswer: 'EPERM',
    })
  })

  test.skipIf(arm64)('holds for the 32-bit system calls of a 64-bit program', () => {
    const directory = mkdtempSync(join(tmpdir(), 'tsnet-seccomp-'))
    const errnoOf = (call: number) => {
      const program = join(directory, String(call))
      writeFileSync(program, oldSystemCall(call), { mode: 0o755 })
      return become({ filter, caps: defaultCapabilities, argv: [program] }).status
    }
    const [keyctl32, clone332, newer32, getpid32] = [288, 435, 900, 20].map(errnoOf)
    rmSync(directory, { recursive: true })
    const { EPERM, ENOSYS } = constants.errno
    expect({ keyctl32, clone332, newer32 }).toEqual({ keyctl32: EPERM, clone332: ENOSYS, newer32: ENOSYS })
    expect([EPERM, ENOSYS]).not.toContain(getpid32)
  })
})

/** An x86-64 program whose only act is one call through the 32-bit door (int 0x80); it exits with the errno. */
function oldSystemCall(call: number): Buffer {
  const base = 0x400000
  const headers = 64 + 56
  const code = Buffer.from('b80000000031db31c9cd80f7d889c7b83c0000000f05', 'hex')
  code.writeUInt32LE(call, 1)
  const file = Buffer.alloc(headers)
  file.write('7f454c46020101', 0, 'hex')
  // e_type, e_machine, e_version, e_entry, e_phoff; e_ehsize, e_phentsize, e_phnum
  file.writeUInt16LE(2, 16)
  file.writeUInt16LE(62, 18)
  file.writeUInt32LE(1, 20)
  file.writeUInt32LE(base + headers, 24)
  file.writeUInt32LE(64, 32)
  for (const [index, value] of [64, 56, 1].entries()) file.writeUInt16LE(value, 52 + 2 * index)
  // one PT_LOAD, readable and executable: the whole file at its base
  const size = headers + code.length
  for (const [at, value] of [
    [64, 1],
    [68, 5],
    [80, base],
    [88, base],
    [96, size],
    [104, size],
    [112, 4096],
  ] as const) {
    file.writeUInt32LE(value, at)
  }
  return Buffer.concat([file, code])
}

describe('a profile in JSON', () => {
  const allowAll = { defaultAction: 'SCMP_ACT_ALLOW' }

  test('refuses what it names, with the errno it names', () => {
    const profile = JSON.stringify({
      ...allowAll,
      syscalls: [{ names: ['getcpu'], action: 'SCMP_ACT_ERRNO', errnoRet: 16 }],
    })
    expect(calls(filterOf(profile), [[getcpu], [personality, 0xffffffff]])).toEqual(['EBUSY', 'ok'])
  })

  test('does not make newer calls ENOSYS when its default is to allow', () => {
    const profile = JSON.stringify({ ...allowAll, syscalls: [{ name: 'getcpu', action: 'SCMP_ACT_ERRNO' }] })
    // the kernel's own answer
    expect(calls(filterOf(profile), [[newerThanAll], [getcpu]])).toEqual(['ENOSYS', 'EPERM'])
  })

  test('compares all 64 bits of an argument', () => {
    const rule = (value: string) =>
      `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["personality"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":${value},"op":"SCMP_CMP_EQ"}]}]}`
    expect(
      calls(filterOf(rule('18446744073709551615')), [
        [personality, -1],
        [personality, 0xffffffff],
      ]),
    ).toEqual(['EPERM', 'ok'])
  })

  test('with two conditions on one argument is met by either', () => {
    const args = [8, 0x20000].map((value) => ({ index: 0, value, op: 'SCMP_CMP_EQ' }))
    const profile = JSON.stringify({
      ...allowAll,
      syscalls: [{ names: ['personality'], action: 'SCMP_ACT_ERRNO', args }],
    })
    expect(
      calls(filterOf(profile), [
        [personality, 8],
        [personality, 0x20000],
        [personality, 0],
      ]),
    ).toEqual(['EPERM', 'EPERM', 'ok'])
  })

  test('that kills ends the program by SIGSYS', () => {
    const profile = JSON.stringify({
      ...allowAll,
      syscalls: [{ names: ['sync'], action: 'SCMP_ACT_KILL_PROCESS' }],
    })
    expect(become({ filter: filterOf(profile), argv: ['/bin/busybox', 'sync'] }).signal).toBe('SIGSYS')
  })

  test('passes over calls that nobody knows', () => {
    const profile = JSON.stringify({
      ...allowAll,
      syscalls: [{ names: ['no_such_call'], action: 'SCMP_ACT_ERRNO' }],
    })
    expect(calls(filterOf(profile), [[getcpu]])).toEqual(['ok'])
  })

  test('of a foreign architecture is refused', () => {
    const profile = JSON.stringify({ ...allowAll, architectures: ['SCMP_ARCH_Z80'] })
    expect(() => buildSeccompFilter(profile, [])).toThrow('seccomp architecture Z80 is not known')
  })
})

test('unconfined compiles to nothing', () => {
  expect(buildSeccompFilter('unconfined', [])).toHaveLength(0)
})

test('the same profile is compiled once for the same capabilities in any order', () => {
  const first = buildSeccompFilter('default', ['KILL', 'CHOWN'])
  expect(buildSeccompFilter('default', ['CHOWN', 'KILL'])).toBe(first)
  expect(buildSeccompFilter('default', ['CHOWN'])).not.toBe(first)
})
