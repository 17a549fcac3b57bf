import { describe, expect, test } from 'vitest'
import { parseMount } from '../../../../src/cli/values/mount.ts'

const read = (text: string) => parseMount(text, '/here')

describe('parseMount', () => {
  test.each([
    ['type=bind,src=/a,dst=/b', { Type: 'bind', Source: '/a', Target: '/b' }],
    [
      'type=bind,source=./a,target=/b,readonly',
      { Type: 'bind', Source: '/here/a', Target: '/b', ReadOnly: true },
    ],
    ['src=data,destination=/b,ro=false', { Type: 'volume', Source: 'data', Target: '/b', ReadOnly: false }],
    [
      'type=volume,dst=/b,volume-nocopy,volume-driver=x,volume-opt=a=1,volume-opt=b=2,volume-label=l',
      {
        Type: 'volume',
        Target: '/b',
        VolumeOptions: {
          NoCopy: true,
          DriverConfig: { Name: 'x', Options: { a: '1', b: '2' } },
          Labels: { l: '' },
        },
      },
    ],
    [
      'type=tmpfs,dst=/b,tmpfs-size=1m,tmpfs-mode=1770',
      { Type: 'tmpfs', Target: '/b', TmpfsOptions: { SizeBytes: 2 ** 20, Mode: 0o1770 } },
    ],
    [
      'type=bind,src=/a,dst=/b,bind-propagation=RSHARED',
      { Type: 'bind', Source: '/a', Target: '/b', BindOptions: { Propagation: 'rshared' } },
    ],
    [
      'type=bind,src=/a,dst=/b,bind-recursive=disabled',
      { Type: 'bind', Source: '/a', Target: '/b', BindOptions: { NonRecursive: true } },
    ],
    [
      'type=bind,src=/a,dst=/b,ro,bind-recursive=writable,consistency=Cached',
      {
        Type: 'bind',
        Source: '/a',
        Target: '/b',
        ReadOnly: true,
        Consistency: 'cached',
        BindOptions: { ReadOnlyNonRecursive: true },
      },
    ],
    [
      'type=bind,src=/a,dst=/b,ro=1,bind-recursive=readonly,bind-propagation=rprivate',
      {
        Type: 'bind',
        Source: '/a',
        Target: '/b',
        ReadOnly: true,
        BindOptions: { ReadOnlyForceRecursive: true, Propagation: 'rprivate' },
      },
    ],
    ['type=bind,src=/a,dst=/b,bind-recursive=enabled', { Type: 'bind', Source: '/a', Target: '/b' }],
    [
      'own=1:2,idmap=uid:1:0:1;gid:1:0:1,type=bind,src=/a,dst=/b,bind-create-src',
      {
        Type: 'bind',
        Source: '/a',
        Target: '/b',
        BindOptions: { CreateMountpoint: true, Own: '1:2', IDMap: 'uid:1:0:1;gid:1:0:1' },
      },
    ],
    [
      'src=data,dst=/b,volume-subpath=a/b,own=1:2',
      { Type: 'volume', Source: 'data', Target: '/b', VolumeOptions: { Subpath: 'a/b', Own: '1:2' } },
    ],
    [
      'type=image,src=demo:1,dst=/b,image-subpath=etc',
      { Type: 'image', Source: 'demo:1', Target: '/b', ImageOptions: { Subpath: 'etc' } },
    ],
    ['type=bind,"src=/a,b",dst=/b', { Type: 'bind', Source: '/a,b', Target: '/b' }],
  ])('reads %s', (text, expected) => {
    expect(read(text)).toEqual(expected)
  })

  test.each([
    ['', 'value is empty'],
    ['type=volume,dst', "invalid field 'dst' must be a key=value pair"],
    ['type=volume,nope=1', "unknown option 'nope' in 'nope=1'"],
    ['type=volume,dst=', "invalid value for 'dst': value is empty"],
    ['type=volume, dst=/a', "invalid option 'dst' in ' dst=/a': option should not have whitespace"],
    [
      'dst=/a,ro=maybe',
      'invalid boolean value ("maybe"): must be one of "true", "1", "false", or "0" (default "true")',
    ],
    ['type=tmpfs,dst=/a,tmpfs-mode=9', 'invalid value for tmpfs-mode: 9'],
    ['type=tmpfs,dst=/a,tmpfs-size=x', 'invalid value for tmpfs-size: x'],
    ['type=bind,dst=/a,volume-nocopy', "cannot mix 'volume-*' options with mount type 'bind'"],
    ['type=volume,dst=/a,bind-propagation=shared', "cannot mix 'bind-*' options with mount type 'volume'"],
    [
      'type=bind,src=/a,dst=/b,bind-recursive=readonly',
      "option 'bind-recursive=readonly' requires 'readonly'",
    ],
    ['type=tmpfs,dst=/a,own=1:1', "cannot use 'idmap' and 'own' with mount type 'tmpfs'"],
    ['idmap=1:0:1,type=image,src=a,dst=/a', "cannot use 'idmap' and 'own' with mount type 'image'"],
    ['type=volume,dst=/a,image-subpath=x', "cannot mix 'image-*' options with mount type 'volume'"],
    [
      'type=bind,src=/a,dst=/b,bind-recursive=yes',
      'invalid value for bind-recursive: yes (must be "enabled"',
    ],
    ['dst=/a,own', "invalid field 'own' must be a key=value pair"],
    [
      'type=bind,src=/a,dst=/b,bind-nonrecursive',
      'bind-nonrecursive is deprecated, use bind-recursive=disabled instead',
    ],
  ])('refuses %j', (text, message) => {
    expect(() => read(text)).toThrow(message)
  })
})
