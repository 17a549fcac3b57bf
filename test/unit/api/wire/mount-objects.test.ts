import { describe, expect, test } from 'vitest'
import type { Mount } from '../../../../src/api/schema/mount.ts'
import { fromMountObject, toMountObject } from '../../../../src/api/wire/mount-objects.ts'
import { mount } from './spec.ts'

describe('a mount', () => {
  test.each([
    [
      { Type: 'bind', Source: '/a/', Target: '/b/.', ReadOnly: true, BindOptions: { Propagation: 'slave' } },
      { type: 'bind', source: '/a/', target: '/b/.', readOnly: true, propagation: 'slave' },
    ],
    [
      {
        Type: 'bind',
        Source: '/a',
        Target: '/b',
        Consistency: 'cached',
        BindOptions: { CreateMountpoint: true },
      },
      { type: 'bind', source: '/a', target: '/b', createSource: true, consistency: 'cached' },
    ],
    [
      {
        Type: 'volume',
        Source: 'data',
        Target: '/b',
        VolumeOptions: {
          NoCopy: true,
          Labels: { a: '1' },
          DriverConfig: { Name: 'nfs', Options: { o: 'x' } },
        },
      },
      {
        source: 'data',
        target: '/b',
        noCopy: true,
        labels: { a: '1' },
        driver: 'nfs',
        driverOptions: { o: 'x' },
      },
    ],
    [{ Type: 'volume', Target: '/b' }, { target: '/b' }],
    [
      { Type: 'volume', Target: '/b', ReadOnly: true },
      { target: '/b', readOnly: true },
    ],
    [
      {
        Type: 'volume',
        Source: 'data',
        Target: '/b',
        VolumeOptions: { Subpath: 'a/../b', IDMap: '1:2:3', Own: '5:6' },
      },
      { source: 'data', target: '/b', subpath: 'a/../b', idmap: 'uid:1:2:3;gid:1:2:3', own: '5:6' },
    ],
    [
      {
        Type: 'bind',
        Source: '/a',
        Target: '/b',
        BindOptions: { CreateMountpoint: true, IDMap: 'uid:1:2:3', Own: '5:6' },
      },
      { type: 'bind', source: '/a', target: '/b', createSource: true, idmap: 'uid:1:2:3', own: '5:6' },
    ],
    [
      { Type: 'image', Source: 'demo:1', Target: '/b', ImageOptions: { Subpath: 'etc' } },
      { type: 'image', source: 'demo:1', target: '/b', subpath: 'etc' },
    ],
    [
      {
        Type: 'tmpfs',
        Target: '/b',
        ReadOnly: true,
        TmpfsOptions: { SizeBytes: 1048576, Mode: 0o1777, Options: [['noexec']] },
      },
      { type: 'tmpfs', target: '/b', readOnly: true, options: 'ro,mode=1777,size=1048576,noexec' },
    ],
    [
      { Type: 'tmpfs', Target: '/b', TmpfsOptions: null },
      { type: 'tmpfs', target: '/b' },
    ],
  ] as const)('%j is understood', (object, fields) => {
    expect(fromMountObject(structuredClone(object) as never)).toEqual(mount(fields))
  })

  // The texts of Docker, compared with a running dockerd.
  test.each([
    [
      { Type: 'bind', Source: 'x', Target: '/b' },
      `invalid mount config for type "bind": invalid mount path: 'x' mount path must be absolute`,
    ],
    [
      { Type: 'bind', Source: '/x', Target: 'b' },
      `invalid mount config for type "bind": invalid mount path: 'b' mount path must be absolute`,
    ],
    [{ Type: 'bind', Target: '/b' }, 'invalid mount config for type "bind": field Source must not be empty'],
    [{ Type: 'bind', Source: '/x' }, 'invalid mount config for type "bind": field Target must not be empty'],
    [
      { Type: 'volume', Target: '/' },
      `invalid mount config for type "volume": invalid specification: destination can't be '/'`,
    ],
    [{ Type: 'foo', Source: '/x', Target: '/b' }, 'invalid mount config for type "foo": mount type unknown'],
    [
      { Type: 'tmpfs', Source: '/x', Target: '/b' },
      'invalid mount config for type "tmpfs": field Source must not be specified',
    ],
    [
      { Type: 'volume', Target: '/b', VolumeOptions: { Subpath: 'x' } },
      'invalid mount config for type "volume": must not set Subpath when using anonymous volumes',
    ],
    ...['/x', '..', 'a/../../b', '../a', '/', 'a\0b'].flatMap((Subpath): [Mount, string][] => [
      [
        { Type: 'volume', Source: 'v', Target: '/b', VolumeOptions: { Subpath } },
        'invalid mount config for type "volume": subpath must be a relative path within the volume',
      ],
      [
        { Type: 'image', Source: 'v', Target: '/b', ImageOptions: { Subpath } },
        'invalid mount config for type "image": subpath must be a relative path within the volume',
      ],
    ]),
    [
      { Type: 'image', Target: '/b' },
      'invalid mount config for type "image": field Source must not be empty',
    ],
    [
      { Type: 'npipe', Source: '/x', Target: '/b' },
      'invalid mount config for type "npipe": mount type unknown',
    ],
    [
      { Type: 'cluster', Source: 'x', Target: '/b', ClusterOptions: {} },
      'invalid mount config for type "cluster": mount type unknown',
    ],
    [{ Source: 'x', Target: '/b' }, 'invalid mount config for type "": mount type unknown'],
    [
      { Type: 'constructor', Source: 'x', Target: '/b' },
      'invalid mount config for type "constructor": mount type unknown',
    ],
    [
      { Type: 'bind', Source: '/x', Target: '/b', ImageOptions: {} },
      'invalid mount config for type "bind": field ImageOptions must not be specified',
    ],
    [
      { Type: 'volume', Source: 'x', Target: '/b', ClusterOptions: {} },
      'invalid mount config for type "volume": field ClusterOptions must not be specified',
    ],
    [
      { Type: 'bind', Source: '/x', Target: '/b', BindOptions: { ReadOnlyNonRecursive: true } },
      'mount options conflict: !ReadOnly && BindOptions.ReadOnlyNonRecursive',
    ],
    [
      { Type: 'bind', Source: '/x', Target: '/b', BindOptions: { ReadOnlyForceRecursive: true } },
      'mount options conflict: !ReadOnly && BindOptions.ReadOnlyForceRecursive',
    ],
    [
      {
        Type: 'bind',
        Source: '/x',
        Target: '/b',
        ReadOnly: true,
        BindOptions: { ReadOnlyNonRecursive: true, ReadOnlyForceRecursive: true },
      },
      'mount options conflict: ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive',
    ],
    [
      { Type: 'bind', Source: '/x', Target: '/b', Consistency: 'foo' },
      'invalid mount config for type "bind": invalid consistency: foo: there are default, consistent, cached, delegated',
    ],
    [
      { Type: 'bind', Source: '/x', Target: '/b', BindOptions: { Own: '1:1' } },
      'invalid mount config for type "bind": field BindOptions.Own is for sources that are made: set CreateMountpoint too',
    ],
    [
      { Type: 'volume', Source: 'v', Target: '/b', VolumeOptions: { Own: 'me' } },
      `invalid mount config for type "volume": invalid owner 'me': give the numbers of a user and a group, as in 1000:1000`,
    ],
    [
      { Type: 'volume', Source: 'v', Target: '/b', VolumeOptions: { IDMap: '1:1:0' } },
      `invalid mount config for type "volume": invalid idmap '1:1:0': '1:1:0' maps nothing`,
    ],
    [
      { Type: 'bind', Source: '/x\0y', Target: '/b' },
      'invalid mount config for type "bind": invalid mount path: it must not contain a zero byte',
    ],
    [
      { Type: 'bind', Source: '/x', Target: '/b', BindOptions: { Propagation: 'odd' } },
      'invalid mount config for type "bind": invalid propagation mode: odd',
    ],
    [
      { Type: 'volume', Target: '/b', BindOptions: {} },
      'BindOptions must not be specified on mount type "volume"',
    ],
    [
      { Type: 'bind', Source: '/x', Target: '/b', VolumeOptions: {} },
      'VolumeOptions must not be specified on mount type "bind"',
    ],
    [
      { Type: 'bind', Source: '/x', Target: '/b', TmpfsOptions: {} },
      'TmpfsOptions must not be specified on mount type "bind"',
    ],
    [
      { Type: 'tmpfs', Target: '/b', TmpfsOptions: { Options: [['suid']] } },
      'invalid mount config for type "tmpfs": invalid option: suid',
    ],
    [
      { Type: 'tmpfs', Target: '/b', TmpfsOptions: { Options: [[]] } },
      'invalid mount config for type "tmpfs": invalid option array length',
    ],
    [
      { Type: 'tmpfs', Target: '/b', TmpfsOptions: { SizeBytes: -1 } },
      'invalid mount config for type "tmpfs": invalid size: -1 bytes',
    ],
  ] as [Mount, string][])('%j is refused', (object, message) => {
    expect(() => fromMountObject(object)).toThrow(expect.objectContaining({ kind: 'invalid', message }))
  })

  test.each([
    { Type: 'bind', Source: '/a', Target: '/b', ReadOnly: true },
    {
      Type: 'bind',
      Source: '/a',
      Target: '/b',
      BindOptions: { Propagation: 'slave', CreateMountpoint: true },
    },
    { Type: 'volume', Source: 'v', Target: '/b', VolumeOptions: { NoCopy: true, Labels: { a: '1' } } },
    { Type: 'volume', Target: '/b', VolumeOptions: { DriverConfig: { Name: 'nfs', Options: { o: 'x' } } } },
    { Type: 'tmpfs', Target: '/b', TmpfsOptions: { SizeBytes: 4096, Mode: 448, Options: [['exec']] } },
    { Type: 'tmpfs', Target: '/b' },
    { Type: 'bind', Source: '/a/', Target: '/b/../c', ReadOnly: true, Consistency: 'delegated' },
    { Type: 'bind', Source: '/a', Target: '/b', BindOptions: { NonRecursive: true } },
    { Type: 'bind', Source: '/a', Target: '/b', ReadOnly: true, BindOptions: { ReadOnlyNonRecursive: true } },
    {
      Type: 'bind',
      Source: '/a',
      Target: '/b',
      ReadOnly: true,
      BindOptions: { ReadOnlyForceRecursive: true },
    },
    {
      Type: 'bind',
      Source: '/a',
      Target: '/b',
      BindOptions: { CreateMountpoint: true, IDMap: 'uid:1:0:1', Own: '1:1' },
    },
    { Type: 'volume', Source: 'v', Target: '/b', VolumeOptions: { Subpath: 'a//b/.', Own: '1:1' } },
    { Type: 'volume', Source: 'v', Target: '/b', VolumeOptions: { DriverConfig: { Options: { o: 'x' } } } },
    { Type: 'image', Source: 'demo', Target: '/b', ImageOptions: { Subpath: 'x' } },
    { Type: 'image', Source: 'demo', Target: '/b' },
  ])('%j is written as it was read', (object) => {
    expect(toMountObject(fromMountObject(object))).toEqual(object)
  })
})
