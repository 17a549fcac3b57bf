import { describe, expect, test } from 'vitest'
import { parseBind, toBind } from '../../../../src/api/wire/binds.ts'
import { mount } from './spec.ts'

describe('a bind', () => {
  test.each([
    ['/a:/b', { type: 'bind', source: '/a', target: '/b', createSource: true }],
    ['/a/../c/:/b//d/', { type: 'bind', source: '/c', target: '/b/d', createSource: true }],
    ['/a:/b:ro', { type: 'bind', source: '/a', target: '/b', createSource: true, readOnly: true }],
    [
      '/a:/b:ro,rshared,z',
      {
        type: 'bind',
        source: '/a',
        target: '/b',
        createSource: true,
        readOnly: true,
        propagation: 'rshared',
      },
    ],
    ['/a:/b:cached', { type: 'bind', source: '/a', target: '/b', createSource: true }],
    ['data:/b', { source: 'data', target: '/b' }],
    ['data:/b:nocopy', { source: 'data', target: '/b', noCopy: true }],
    ['data:/b:ro,Z', { source: 'data', target: '/b', readOnly: true }],
    ['/b', { source: '', target: '/b' }],
  ] as const)('%s is understood', (text, fields) => {
    expect(parseBind(text, '')).toEqual(mount({ syntax: 'bind-string', ...fields }))
  })

  test('gives the driver to volumes alone', () => {
    expect(parseBind('data:/b', 'nfs').driver).toBe('nfs')
    expect(parseBind('/b', 'nfs').driver).toBe('nfs')
    expect(parseBind('/a:/b', 'nfs').driver).toBe('')
  })

  // The texts of Docker, compared with a running dockerd.
  test.each([
    [
      'foo',
      `invalid volume specification: 'foo': invalid mount config for type "volume": invalid mount path: 'foo' mount path must be absolute`,
    ],
    ['/a:/b:zz', 'invalid mode: zz'],
    ['/a:/b:ro,rw', 'invalid mode: ro,rw'],
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
    expect(() => parseBind(text, '')).toThrow(expect.objectContaining({ kind: 'invalid', message }))
  })

  test.each(['/a:/b', '/a:/b:ro', '/a:/b:ro,rslave', 'data:/b:nocopy'])(
    '%s is written as it was read',
    (text) => {
      expect(toBind(parseBind(text, ''))).toBe(text)
    },
  )
})
