import { describe, expect, test } from 'vitest'
import { defaultCapabilities } from '../../../src/sys/caps.ts'
import { defaultProfile } from '../../../src/sys/seccomp-profile.ts'
import { parseSeccompProfile, type SeccompTarget, selectRules } from '../../../src/sys/seccomp-rules.ts'

const target: SeccompTarget = {
  capabilities: defaultCapabilities,
  architecture: 'amd64',
  kernelRelease: '6.1.0-28-amd64',
}
const ERRNO = 0x00050000
const ALLOW = 0x7fff0000

const profileOf = (...syscalls: object[]) =>
  parseSeccompProfile(JSON.stringify({ defaultAction: 'SCMP_ACT_ERRNO', syscalls }))
const namesFor = (profile: ReturnType<typeof profileOf>, changes: Partial<SeccompTarget> = {}) =>
  selectRules(profile, { ...target, ...changes }).rules.map(({ name }) => name)

const allow = (name: string, rest: object = {}) => ({ names: [name], action: 'SCMP_ACT_ALLOW', ...rest })

describe('selectRules', () => {
  test('takes a rule only where all included capabilities are given', () => {
    const profile = profileOf(allow('bpf', { includes: { caps: ['CAP_BPF', 'CAP_PERFMON'] } }))
    expect(namesFor(profile, { capabilities: ['BPF'] })).toEqual([])
    expect(namesFor(profile, { capabilities: ['BPF', 'PERFMON'] })).toEqual(['bpf'])
  })

  test('leaves a rule out where one excluded capability is given', () => {
    const profile = profileOf(allow('clone', { excludes: { caps: ['CAP_SYS_ADMIN', 'CAP_BPF'] } }))
    expect(namesFor(profile)).toEqual(['clone'])
    expect(namesFor(profile, { capabilities: ['BPF'] })).toEqual([])
  })

  test('compares kernel versions by numbers', () => {
    const profile = profileOf(
      allow('new', { includes: { minKernel: '4.8' } }),
      allow('old', { excludes: { minKernel: '4.8' } }),
    )
    expect(namesFor(profile, { kernelRelease: '4.19.0' })).toEqual(['new'])
    expect(namesFor(profile, { kernelRelease: '4.8-rc1' })).toEqual(['new'])
    expect(namesFor(profile, { kernelRelease: '4.7.12-1' })).toEqual(['old'])
    expect(namesFor(profile, { kernelRelease: '10.0.0' })).toEqual(['new'])
  })

  test('takes the architectures of the machine and those which it can run', () => {
    expect(selectRules(defaultProfile, target).architectures).toEqual(['x86_64', 'x86', 'x32'])
    const arm = selectRules(defaultProfile, { ...target, architecture: 'arm64' })
    expect(arm.architectures).toEqual(['aarch64', 'arm'])
  })

  test('passes over rules that say what the default says', () => {
    const profile = profileOf(
      { names: ['reboot'], action: 'SCMP_ACT_ERRNO' },
      { names: ['kcmp'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 },
    )
    expect(selectRules(profile, target).rules).toEqual([{ name: 'kcmp', action: ERRNO + 38, conditions: [] }])
  })

  test('joins conditions on different arguments and parts those on the same', () => {
    const condition = (index: number, value: number) => ({ index, value, op: 'SCMP_CMP_EQ' })
    const counts = (...args: object[]) =>
      selectRules(profileOf(allow('socket', { args })), target).rules.map(
        ({ conditions }) => conditions.length,
      )
    expect(counts(condition(0, 1), condition(1, 2))).toEqual([2])
    expect(counts(condition(0, 1), condition(0, 2))).toEqual([1, 1])
  })

  test('turns newer calls into missing ones only where the default refuses and names no errno', () => {
    const refuses = (head: object) =>
      selectRules(parseSeccompProfile(JSON.stringify(head)), target).refuseUnknownAsMissing
    expect(refuses({ defaultAction: 'SCMP_ACT_ERRNO' })).toBe(true)
    expect(refuses({ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 1 })).toBe(false)
    expect(refuses({ defaultAction: 'SCMP_ACT_LOG' })).toBe(false)
  })

  test.each([
    [{ names: ['a'], name: 'b', action: 'SCMP_ACT_ALLOW' }, "both 'name' and 'names' are specified"],
    [{ names: ['a'], action: 'toString' }, 'toString is not an action'],
    [{ names: ['a'], action: 'SCMP_ACT_NOTIFY' }, 'SCMP_ACT_NOTIFY is not an action'],
    [
      allow('a', { args: [{ index: 0, value: 1, op: 'SCMP_CMP_LIKE' }] }),
      'SCMP_CMP_LIKE is not a comparison',
    ],
  ])('refuses %j', (rule, message) => {
    expect(() => selectRules(profileOf(rule), target)).toThrow(message)
  })
})

describe('parseSeccompProfile', () => {
  test('accepts the nulls of Go and the old form with one name', () => {
    const profile = profileOf({
      name: 'read',
      action: 'SCMP_ACT_ALLOW',
      args: null,
      comment: '',
      includes: {},
      excludes: null,
    })
    expect(selectRules(profile, target).rules).toEqual([{ name: 'read', action: ALLOW, conditions: [] }])
  })

  test('keeps all bits of an argument', () => {
    const text = `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["a"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":18446744073709551615,"valueTwo":9007199254740993,"op":"SCMP_CMP_MASKED_EQ"}]}]}`
    expect(selectRules(parseSeccompProfile(text), target).rules[0]?.conditions).toEqual([
      { argument: 1, operator: 7, a: 2n ** 64n - 1n, b: 9007199254740993n },
    ])
  })

  test.each([
    ['', 'JSON'],
    ['[]', 'Decoding seccomp profile failed: the profile must be object'],
    ['{"syscalls":[]}', 'must have required properties defaultAction'],
    ['{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":"read"}]}', '/syscalls/0'],
    [
      '{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"action":"SCMP_ACT_ALLOW","args":[{"index":6,"value":0,"op":"x"}]}]}',
      '/syscalls/0/args',
    ],
  ])('refuses %s', (text, message) => {
    expect(() => parseSeccompProfile(text)).toThrow(message)
  })
})

describe('the default profile', () => {
  const names = namesFor(defaultProfile)

  test('names each unconditional call once, as many as Docker does', () => {
    const [unconditional] = defaultProfile.syscalls ?? []
    expect(unconditional?.names).toHaveLength(361)
    expect(new Set(unconditional?.names).size).toBe(361)
  })

  test.each([
    'keyctl',
    'add_key',
    'mount',
    'bpf',
    'io_uring_setup',
    'userfaultfd',
    'kexec_load',
    'reboot',
    'swapon',
  ])('does not let %s through', (name) => {
    expect(names).not.toContain(name)
  })

  test.each([
    ['CAP_SYS_ADMIN', 'mount'],
    ['CAP_SYS_BOOT', 'reboot'],
    ['CAP_SYS_TIME', 'clock_settime'],
    ['CAP_SYS_MODULE', 'init_module'],
    ['CAP_SYSLOG', 'syslog'],
  ])('opens with %s the call %s', (capability, name) => {
    const capabilities = [...defaultCapabilities, capability.replace('CAP_', '')]
    expect(names).not.toContain(name)
    expect(namesFor(defaultProfile, { capabilities })).toContain(name)
  })
})
