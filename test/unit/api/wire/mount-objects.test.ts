import { describe, expect, test } from 'vitest'
import { fromMountObject, toMountObject } from '../../../../src/api/wire/mount-objects.ts'
import { mount } from './spec.ts'

describe('a mount', () => {
  test.each([
    [
      { Type: 'bind', Source: '/a/', Target: '/b/.', ReadOnly: true, BindOptions: { Propagation: 'slave' } },
      { type: 'bind', source: '/a', target: '/b', readOnly: true, propagation: 'slave' },
    ],
    [
      {
        Type: 'bind',
        Source: '/a',
        Target: '/b',
        Consistency: 'cached',
        BindOptions: { CreateMountpoint: true },
      },
      { type: 'bind', source: '/a', target: '/b', createSource: true },
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
      { Type: 'volume', ReadOnly: true, Target: '/b' },
      'invalid mount config for type "volume": must not set ReadOnly mode when using anonymous volumes',
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
  ])('%j is refused', (object, message) => {
    expect(() => fromMountObject(object)).toThrow(expect.objectContaining({ kind: 'invalid', message }))
  })

  test.each([
    { Type: 'image', Source: 'demo', Target: '/b' },
    { Type: 'cluster', Source: 'x', Target: '/b' },
    { Type: 'volume', Source: 'x', Target: '/b', VolumeOptions: { Subpath: 'y' } },
    { Type: 'bind', Source: '/x', Target: '/b', BindOptions: { NonRecursive: true } },
    { Type: 'bind', Source: '/x', Target: '/b', BindOptions: { ReadOnlyForceRecursive: true } },
  ])('%j is not supported', (object) => {
    expect(() => fromMountObject(object)).toThrow(expect.objectContaining({ kind: 'unsupported' }))
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
  ])('%j is written as it was read', (object) => {
    expect(toMountObject(fromMountObject(object))).toEqual(object)
  })
})
