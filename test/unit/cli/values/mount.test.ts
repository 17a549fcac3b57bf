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
    [
      'type=bind,src=/a,dst=/b,bind-nonrecursive',
      'bind-nonrecursive is deprecated, use bind-recursive=disabled instead',
    ],
  ])('refuses %j', (text, message) => {
    expect(() => read(text)).toThrow(message)
  })
})
