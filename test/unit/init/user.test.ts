import { describe, expect, test } from 'vitest'
import { findIdentity } from '../../../src/init/user.ts'

const passwd = `root:x:0:0:root:/root:/bin/sh
# a comment

daemon:x:1:1::/usr/sbin:/usr/sbin/nologin
app:x:1000:1000:App:/home/app:/bin/sh
2000:x:7:7:a name of digits:/home/digits:/bin/sh
homeless:x:8:8
broken:x:eight:8::/x:/bin/sh
nogroup:x:9:none:::
`
const group = `root:x:0:
wheel:x:10:root,app
app:x:1000:
audio:x:29:app,daemon
application:x:30:applicant
3000:x:31:
staff:x:50:
`

const find = (wanted: string, ...extra: string[]) => findIdentity(wanted, extra, { passwd, group })

describe('the user of a program', () => {
  test.each([
    ['', { uid: 0, gid: 0, groups: [0, 10], home: '/root' }],
    ['root', { uid: 0, gid: 0, groups: [0, 10], home: '/root' }],
    ['app', { uid: 1000, gid: 1000, groups: [1000, 10, 29], home: '/home/app' }],
    ['1000', { uid: 1000, gid: 1000, groups: [1000, 10, 29], home: '/home/app' }],
    ['app:staff', { uid: 1000, gid: 50, groups: [50], home: '/home/app' }],
    ['app:50', { uid: 1000, gid: 50, groups: [50], home: '/home/app' }],
    ['app:', { uid: 1000, gid: 1000, groups: [1000, 10, 29], home: '/home/app' }],
    [':staff', { uid: 0, gid: 50, groups: [50], home: '/root' }],
    ['4321', { uid: 4321, gid: 0, groups: [0], home: '/' }],
    ['4321:8765', { uid: 4321, gid: 8765, groups: [8765], home: '/' }],
    ['homeless', { uid: 8, gid: 8, groups: [8], home: '/' }],
    ['nogroup', { uid: 9, gid: 0, groups: [0], home: '/' }],
  ])('%j is found as runc does', (wanted, identity) => {
    expect(find(wanted)).toEqual(identity)
  })

  test('is a uid when it is a number, whatever the image calls a user or a group', () => {
    expect(find('2000')).toMatchObject({ uid: 2000, home: '/' })
    expect(find('app:3000')).toMatchObject({ gid: 3000 })
  })

  test('gets the groups of --group-add by name or number, each once', () => {
    expect(find('app', 'staff', '77', 'audio').groups).toEqual([1000, 10, 29, 50, 77])
    expect(find('app:staff', 'wheel').groups).toEqual([50, 10])
  })

  test.each([
    ['nobody', 'unable to find user nobody: no matching entries in passwd file'],
    ['broken', 'unable to find user broken: no matching entries in passwd file'],
    ['-1', 'unable to find user -1'],
    ['app:nobody', 'unable to find group nobody: no matching entries in group file'],
    ['2147483648', 'uids and gids must be in range 0-2147483647'],
    ['app:2147483648', 'uids and gids must be in range 0-2147483647'],
  ])('%j is refused', (wanted, sentence) => {
    expect(() => find(wanted)).toThrow(sentence)
  })

  test('is refused a group that there is not', () => {
    expect(() => find('app', 'nobody')).toThrow('unable to find group nobody')
  })

  test('is a number, or root, in an image without files', () => {
    const none = { passwd: '', group: '' }
    expect(findIdentity('', [], none)).toEqual({ uid: 0, gid: 0, groups: [0], home: '/' })
    expect(findIdentity('5:6', ['7'], none)).toEqual({ uid: 5, gid: 6, groups: [6, 7], home: '/' })
    expect(() => findIdentity('root', [], none)).toThrow('unable to find user root')
  })

  test('is found in files with the line ends of other systems', () => {
    const files = { passwd: passwd.replaceAll('\n', '\r\n'), group: group.replaceAll('\n', '\r\n') }
    expect(findIdentity('app', [], files)).toEqual(find('app'))
  })
})
