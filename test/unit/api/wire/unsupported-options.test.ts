import { describe, expect, test } from 'vitest'
import type { HostConfig } from '../../../../src/api/schema/container-create.ts'
import { refuseUnsupported } from '../../../../src/api/wire/unsupported-options.ts'

describe('an option of Docker that is not carried out here', () => {
  test.each([
    ['Annotations', { a: 'b' }],
    ['CgroupnsMode', 'host'],
    ['IpcMode', 'host'],
    ['IpcMode', 'shareable'],
    ['IpcMode', 'container:x'],
    ['Cgroup', 'container:x'],
    ['PidMode', 'host'],
    ['Privileged', true],
    ['StorageOpt', { size: '1g' }],
    ['UTSMode', 'host'],
    ['Runtime', 'kata'],
    ['Isolation', 'hyperv'],
    ['CgroupParent', '/x'],
    ['BlkioWeight', 500],
    ['BlkioDeviceReadBps', [{ Path: '/dev/sda', Rate: 1 }]],
    ['CpuRealtimePeriod', 1],
    ['Devices', [{ PathOnHost: '/dev/fuse' }]],
    ['DeviceCgroupRules', ['c 1:1 r']],
    ['DeviceRequests', [{ Driver: 'nvidia' }]],
    ['MemorySwappiness', 0.5],
    ['OomKillDisable', true],
    ['Init', true],
  ])('is refused by name: %s=%j', (name, value) => {
    expect(() => refuseUnsupported({ HostConfig: { [name]: value } })).toThrow(
      expect.objectContaining({
        kind: 'unsupported',
        message: expect.stringMatching(new RegExp(`^HostConfig\\.${name} is not supported: \\S`)),
      }),
    )
  })

  test.each<HostConfig>([
    { Privileged: false, Init: false, OomKillDisable: null },
    { IpcMode: 'private', PidMode: '', CgroupnsMode: 'private', UsernsMode: 'host' },
    { Runtime: 'runc', Isolation: 'default', MemorySwappiness: -1 },
    { Devices: [], Links: null, Annotations: {}, MaskedPaths: null },
    { LogConfig: { Type: '', Config: {} } },
    { LogConfig: { Type: 'json-file', Config: null } },
    { RestartPolicy: { Name: '' } },
    { RestartPolicy: { Name: 'no', MaximumRetryCount: 0 } },
  ])('passes where it asks for nothing: %j', (HostConfig) => {
    expect(() => refuseUnsupported({ HostConfig })).not.toThrow()
  })
})

describe('a restart policy', () => {
  test.each(['always', 'on-failure', 'unless-stopped'])('of %s is not supported', (Name) => {
    expect(() => refuseUnsupported({ HostConfig: { RestartPolicy: { Name } } })).toThrow(
      expect.objectContaining({ kind: 'unsupported', message: expect.stringContaining(`'${Name}'`) }),
    )
  })

  test('that does not exist is invalid', () => {
    expect(() => refuseUnsupported({ HostConfig: { RestartPolicy: { Name: 'foo' } } })).toThrow(
      "invalid restart policy: unknown policy 'foo'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
    )
  })

  test('does not go with removal', () => {
    expect(() =>
      refuseUnsupported({ HostConfig: { RestartPolicy: { Name: 'always' }, AutoRemove: true } }),
    ).toThrow("can't create 'AutoRemove' container with restart policy")
  })
})

test.each([
  [{ HostConfig: { LogConfig: { Type: 'syslog' } } }, "HostConfig.LogConfig 'syslog' is not supported"],
  [{ HostConfig: { LogConfig: { Config: { 'max-size': '1m' } } } }, "HostConfig.LogConfig option 'max-size'"],
  [{ HostConfig: { MaskedPaths: [] } }, 'HostConfig.MaskedPaths is not supported'],
  [{ HostConfig: { ReadonlyPaths: ['/x'] } }, 'HostConfig.ReadonlyPaths is not supported'],
  [{ Healthcheck: { Test: ['CMD', 'true'] } }, 'Healthcheck is not supported'],
  [{ NetworkDisabled: true }, "NetworkDisabled is not supported: use the network mode 'none'"],
])('%j is refused', (body, message) => {
  expect(() => refuseUnsupported(body)).toThrow(
    expect.objectContaining({ kind: 'unsupported', message: expect.stringContaining(message) }),
  )
})

test.each([{ Healthcheck: { Test: ['NONE'] } }, { Healthcheck: { Test: [] } }, { Healthcheck: null }])(
  'a healthcheck that asks for none passes: %j',
  (body) => {
    expect(() => refuseUnsupported(body)).not.toThrow()
  },
)
