import { describe, expect, test } from 'vitest'
import { toMountRequests, toMountSummaries } from '../../../../src/api/wire/mounts.ts'
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
      mount({ target: '/anon', syntax: 'bind-string' }),
    ])
  })

  test.each([
    [{ Binds: ['/a:/b', '/c:/b'] }],
    [{ Binds: ['/a:/b'], Tmpfs: { '/b/': '' } }],
    [{ Binds: ['v:/b'], Mounts: [{ Type: 'tmpfs', Target: '/x/../b' }] }],
  ])('have a target only once: %j', (HostConfig) => {
    expect(() => toMountRequests({ HostConfig })).toThrow('Duplicate mount point: /b')
  })

  test('may cover an anonymous volume', () => {
    const requests = toMountRequests({ Volumes: { '/b': {} }, HostConfig: { Binds: ['/a:/b'] } })
    expect(requests.map(({ type }) => type)).toEqual(['bind'])
  })

  test.each([
    [{ HostConfig: { Tmpfs: { b: '' } } }, "invalid mount path: 'b' mount path must be absolute"],
    [{ HostConfig: { Tmpfs: { '/': '' } } }, "invalid specification: destination can't be '/'"],
    [{ Volumes: { b: {} } }, "invalid mount path: 'b' mount path must be absolute"],
  ])('lie at absolute paths: %j', (body, message) => {
    expect(() => toMountRequests(body)).toThrow(message)
  })
})

test('lists tell of all mounts but those of --tmpfs', () => {
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
    mode: '',
    options: '',
    syntax: 'bind-string',
  }
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
    },
    { ...point, type: 'tmpfs', source: '', syntax: 'tmpfs-flag' },
    { ...point, type: 'tmpfs', source: '', syntax: 'mount', readOnly: false, propagation: '' },
  ]
  expect(toMountSummaries(points)).toEqual([
    { Type: 'bind', Source: '/a', Destination: '/b', Mode: 'ro', RW: false, Propagation: 'rprivate' },
    {
      Type: 'volume',
      Name: 'v',
      Source: '/root/v',
      Destination: '/b',
      Driver: 'local',
      Mode: '',
      RW: true,
      Propagation: '',
    },
    { Type: 'tmpfs', Source: '', Destination: '/b', Mode: '', RW: true, Propagation: '' },
  ])
})
