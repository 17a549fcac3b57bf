import { describe, expect, test } from 'vitest'
import {
  fromMountRequests,
  toMountRequests,
  toMountSummaries,
  warnOfVolumeDriver,
} from '../../../../src/api/wire/mounts.ts'
import type { MountPoint } from '../../../../src/store/records.ts'
import { mount } from './spec.ts'

describe('the mounts of a container', () => {
  test('come from binds, mounts, tmpfs and volumes', () => {
    const requests = toMountRequests({
      Volumes: { '/anon': {} },
      HostConfig: {
        Binds: ['/a:/b'],
        Mounts: [{ Type: 'volume', Source: 'v', Target: '/v' }],
        Tmpfs: { '/t': 'size=1m,ro', '/u': '' },
      },
    })
    expect(requests).toEqual([
      mount({ type: 'bind', source: '/a', target: '/b', createSource: true, syntax: 'bind-string' }),
      mount({ source: 'v', target: '/v' }),
      mount({ type: 'tmpfs', target: '/t', options: 'size=1m,ro', readOnly: true, syntax: 'tmpfs-flag' }),
      mount({ type: 'tmpfs', target: '/u', syntax: 'tmpfs-flag' }),
      mount({ target: '/anon', syntax: 'anonymous' }),
    ])
  })

  test('are told again as they were given', () => {
    const HostConfig = {
      Binds: ['/a/:/b/', 'v:/c:Z,ro', '/d'],
      Mounts: [{ Type: 'volume', Source: 'v', Target: '/v/.' }],
      Tmpfs: { '/t/': 'size=1m,ro', '/u': '' },
    }
    expect(fromMountRequests(toMountRequests({ Volumes: { '/anon': {} }, HostConfig }))).toEqual(HostConfig)
    expect(fromMountRequests([])).toEqual({ Binds: null })
  })

  test.each([
    [{ HostConfig: { Tmpfs: { b: '' } } }, "invalid mount path: 'b' mount path must be absolute"],
    [{ HostConfig: { Tmpfs: { '/': '' } } }, "invalid specification: destination can't be '/'"],
    [{ Volumes: { b: {} } }, "invalid mount path: 'b' mount path must be absolute"],
  ])('lie at absolute paths: %j', (body, message) => {
    expect(() => toMountRequests(body)).toThrow(message)
  })
})

const point: MountPoint = {
  type: 'bind',
  name: '',
  source: '/a',
  target: '/b',
  driver: '',
  readOnly: true,
  createSource: true,
  noCopy: false,
  propagation: 'rprivate',
  recursion: 'enabled',
  subpath: '',
  idmap: '',
  own: '',
  mode: 'ro,Z',
  options: '',
  syntax: 'bind-string',
}

const volumePoint: MountPoint = { ...point, type: 'volume', name: 'v', propagation: '', mode: '' }

test('lists tell of all mounts but those of --tmpfs', () => {
  const points: MountPoint[] = [
    point,
    {
      ...point,
      type: 'volume',
      name: 'v',
      source: '/root/v',
      driver: 'local',
      readOnly: false,
      propagation: '',
      mode: '',
    },
    { ...point, type: 'tmpfs', source: '', syntax: 'tmpfs-flag' },
    { ...point, type: 'tmpfs', source: '', syntax: 'mount', readOnly: false, propagation: '', mode: '' },
    { ...point, type: 'image', name: 'demo:1', source: 'sha256:1a', syntax: 'mount', mode: '' },
  ]
  expect(toMountSummaries(points)).toEqual([
    { Type: 'bind', Source: '/a', Destination: '/b', Mode: 'ro,Z', RW: false, Propagation: 'rprivate' },
    {
      Type: 'volume',
      Name: 'v',
      Source: '/root/v',
      Destination: '/b',
      Driver: 'local',
      Mode: 'z',
      RW: true,
      Propagation: '',
    },
    { Type: 'tmpfs', Source: '', Destination: '/b', Mode: '', RW: true, Propagation: '' },
    {
      Type: 'image',
      Name: 'demo:1',
      Source: 'sha256:1a',
      Destination: '/b',
      Mode: '',
      RW: false,
      Propagation: 'rprivate',
    },
  ])
})

test.each([
  ['anonymous', 'local', ''],
  ['image', 'local', ''],
  ['volumes-from', 'local', ''],
  ['mount', 'nfs', ''],
  ['mount', 'local', 'z'],
] as const)('a volume of %s and driver %s has the mode %j', (syntax, driver, mode) => {
  const [point] = toMountSummaries([{ ...volumePoint, syntax, driver }])
  expect(point?.Mode).toBe(mode)
})

test.each([
  [{ VolumeDriver: 'nfs', Mounts: [{ Type: 'volume', Target: '/v' }] }, 1],
  [{ VolumeDriver: 'nfs', Mounts: [{ Type: 'volume', VolumeOptions: { DriverConfig: { Name: 'x' } } }] }, 0],
  [{ VolumeDriver: 'nfs', Mounts: [{ Type: 'bind' }] }, 0],
  [{ VolumeDriver: '', Mounts: [{ Type: 'volume' }] }, 0],
  [{ VolumeDriver: 'nfs' }, 0],
])('of %j the driver that is ignored is warned of', (host, warnings) => {
  expect(warnOfVolumeDriver(host)).toHaveLength(warnings)
})
