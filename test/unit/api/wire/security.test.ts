import { describe, expect, test } from 'vitest'
import {
  fromCapabilities,
  fromSecurityOptions,
  toCapabilities,
  toSecurityOptions,
  toSysctls,
} from '../../../../src/api/wire/security.ts'

test('capabilities lose their prefix and their case, and are told once', () => {
  expect(toCapabilities(['net_admin', 'CAP_NET_ADMIN', 'Cap_Chown', 'all'])).toEqual([
    'NET_ADMIN',
    'CHOWN',
    'ALL',
  ])
  expect(fromCapabilities(['NET_ADMIN', 'ALL'])).toEqual(['CAP_NET_ADMIN', 'ALL'])
  expect(fromCapabilities([])).toBeNull()
})

describe('security options', () => {
  test.each([
    [[], { noNewPrivileges: false, seccomp: 'default' }],
    [['no-new-privileges'], { noNewPrivileges: true, seccomp: 'default' }],
    [['no-new-privileges=true'], { noNewPrivileges: true, seccomp: 'default' }],
    [['no-new-privileges:false'], { noNewPrivileges: false, seccomp: 'default' }],
    [['seccomp=unconfined'], { noNewPrivileges: false, seccomp: 'unconfined' }],
    [['seccomp:unconfined'], { noNewPrivileges: false, seccomp: 'unconfined' }],
    [['seccomp=builtin'], { noNewPrivileges: false, seccomp: 'default' }],
    [['seccomp={"a":"b=c"}'], { noNewPrivileges: false, seccomp: '{"a":"b=c"}' }],
    [['apparmor=unconfined', 'label=disable', 'disable'], { noNewPrivileges: false, seccomp: 'default' }],
  ])('%j are understood', (options, expected) => {
    expect(toSecurityOptions(options)).toEqual(expected)
  })

  test.each([
    ['foo', 'invalid --security-opt 1: "foo"'],
    ['foo=1', 'invalid --security-opt 2: "foo=1"'],
    ['no-new-privileges=maybe', 'invalid --security-opt 2: "no-new-privileges=maybe"'],
  ])('%s is refused', (option, message) => {
    expect(() => toSecurityOptions([option])).toThrow(expect.objectContaining({ kind: 'invalid', message }))
  })

  test.each([
    ['apparmor=mine', '--security-opt apparmor=mine is not supported: containers run without AppArmor'],
    ['label=type:x', '--security-opt label=type:x is not supported: containers run without SELinux'],
  ])('%s is not supported', (option, message) => {
    expect(() => toSecurityOptions([option])).toThrow(
      expect.objectContaining({ kind: 'unsupported', message }),
    )
  })

  test('are shown where they differ from the default', () => {
    expect(fromSecurityOptions({ noNewPrivileges: false, seccomp: 'default' })).toBeNull()
    expect(fromSecurityOptions({ noNewPrivileges: true, seccomp: 'unconfined' })).toEqual([
      'no-new-privileges',
      'seccomp=unconfined',
    ])
  })
})

describe('sysctls', () => {
  test.each(['net.core.somaxconn', 'kernel.shmmax', 'fs.mqueue.msg_max', 'kernel.domainname'])(
    'of %s pass',
    (name) => {
      expect(toSysctls({ [name]: '1' }, 'bridge')).toEqual({ [name]: '1' })
    },
  )

  test.each(['kernel.panic', 'vm.swappiness', 'fs.file-max', 'network'])(
    'of %s would change the host',
    (name) => {
      expect(() => toSysctls({ [name]: '1' }, 'bridge')).toThrow(
        `sysctl "${name}" is not in a separate kernel namespace`,
      )
    },
  )

  test('of the network do not go with the network of the host', () => {
    expect(() => toSysctls({ 'net.core.somaxconn': '1' }, 'host')).toThrow(
      'sysctl "net.core.somaxconn" not allowed in host network namespace',
    )
    expect(toSysctls({ 'kernel.shmmax': '1' }, 'host')).toEqual({ 'kernel.shmmax': '1' })
  })
})
