import { describe, expect, test } from 'vitest'
import { parseBind, toBind } from '../../../../src/api/wire/binds.ts'
import { mount } from './spec.ts'

describe('a bind', () => {
  const bound = { type: 'bind', source: '/a', target: '/b', createSource: true } as const

  test.each([
    ['/a:/b', bound],
    ['/a/../c/:/b//d/', { ...bound, source: '/a/../c/', target: '/b//d/' }],
    ['/a:/b:ro', { ...bound, readOnly: true, mode: 'ro' }],
    ['/a:/b:rw', { ...bound, mode: 'rw' }],
    ['/a:/b:z,ro,rshared', { ...bound, readOnly: true, propagation: 'rshared', mode: 'z,ro,rshared' }],
    ['/a:/b:cached', { ...bound, mode: 'cached' }],
    ['/a:/b:', bound],
    ['data:/b', { source: 'data', target: '/b' }],
    ['data:/b:nocopy', { source: 'data', target: '/b', noCopy: true, mode: 'nocopy' }],
    ['data:/b:ro,Z', { source: 'data', target: '/b', readOnly: true, mode: 'ro,Z' }],
    ['/b', { source: '', target: '/b' }],
    ['/a:/b:own=5:6,ro', { ...bound, own: '5:6', readOnly: true, mode: 'own=5:6,ro' }],
    [
      'data:/b:idmap=gid:1:2:3;uid:4:5:6',
      { source: 'data', target: '/b', idmap: 'uid:4:5:6;gid:1:2:3', mode: 'idmap=gid:1:2:3;uid:4:5:6' },
    ],
  ] as const)('%s is understood', (text, fields) => {
    expect(parseBind(text)).toEqual(mount({ syntax: 'bind-string', ...fields }))
  })

  // The texts of Docker, compared with a running dockerd.
  test.each([
    [
      'foo',
      `invalid volume specification: 'foo': invalid mount config for type "volume": invalid mount path: 'foo' mount path must be absolute`,
    ],
    ['/a:/b:zz', 'invalid mode: zz'],
    ['/a:/b:ro,rw', 'invalid mode: ro,rw'],
    ['/a:/b:ro,', 'invalid mode: ro,'],
    ['data:/b:copy', 'invalid mode: copy'],
    ['data:/b:default', 'invalid mode: default'],
    ['data:/b:nocopy,nocopy', 'invalid mode: nocopy,nocopy'],
    ['/a:/b:own=1:1,own=1:1', `invalid volume specification: '/a:/b:own=1:1,own=1:1'`],
    ['/a:/b:own=me', "invalid owner 'me': give the numbers of a user and a group, as in 1000:1000"],
    ['/a:/b:idmap=1:2', "invalid idmap '1:2': '1:2' is not [uid:|gid:]DISK:SEEN:COUNT, as in 1000:0:1"],
    ['/a:/b:shared,slave', 'invalid mode: shared,slave'],
    ['/a:ro', `invalid volume specification: '/a:ro'`],
    ['', `invalid volume specification: ''`],
    [':/b', `invalid volume specification: ':/b'`],
    ['/a:/b:ro:x', `invalid volume specification: '/a:/b:ro:x'`],
    [
      '/a:/',
      `invalid volume specification: '/a:/': invalid mount config for type "bind": invalid specification: destination can't be '/'`,
    ],
    [
      '/a:/b/..',
      `invalid volume specification: '/a:/b/..': invalid mount config for type "bind": invalid specification: destination can't be '/'`,
    ],
    [
      '/a:b:ro',
      `invalid volume specification: '/a:b:ro': invalid mount config for type "bind": invalid mount path: 'b' mount path must be absolute`,
    ],
    [
      'v:/x:rshared',
      `invalid volume specification: 'v:/x:rshared': invalid mount config for type "volume": field BindOptions must not be specified`,
    ],
    [
      '/a:/x:nocopy',
      `invalid volume specification: '/a:/x:nocopy': invalid mount config for type "bind": field VolumeOptions must not be specified`,
    ],
  ])('%s is refused', (text, message) => {
    expect(() => parseBind(text)).toThrow(expect.objectContaining({ kind: 'invalid', message }))
  })

  test.each(['/a/:/b/.', '/a:/b:rw', '/a:/b:rslave,ro', 'data:/b:Z,nocopy', '/b', '/a:/b:ro,own=1:2'])(
    '%s is written as it was read',
    (text) => {
      expect(toBind(parseBind(text))).toBe(text)
    },
  )
})
