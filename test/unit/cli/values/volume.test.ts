import { describe, expect, test } from 'vitest'
import { parseTmpfs, parseVolume } from '../../../../src/cli/values/volume.ts'

const read = (text: string) => parseVolume(text, '/here')

describe('parseVolume', () => {
  test.each([
    ['/data', { anonymous: '/data' }],
    ['data:/data', { bind: 'data:/data' }],
    ['/a:/b:ro,z', { bind: '/a:/b:ro,z' }],
    ['./a:/b', { bind: '/here/a:/b' }],
    ['..:/b:ro', { bind: '/:/b:ro' }],
    ['data:/b:own=1000:1000', { bind: 'data:/b:own=1000:1000' }],
    ['./a:/b:ro,idmap=uid:1:0:1;gid:1:0:1', { bind: '/here/a:/b:ro,idmap=uid:1:0:1;gid:1:0:1' }],
  ])('reads %s', (text, expected) => {
    expect(read(text)).toEqual(expected)
  })

  test.each([
    ['', 'invalid empty volume spec'],
    ['/a::ro', 'invalid spec: /a::ro: empty section between colons'],
    ['/a:/b:', 'invalid spec: /a:/b:: empty section between colons'],
    ['/a:/b:ro:x', 'invalid spec: /a:/b:ro:x: too many colons'],
    ['/a:/b:disown=1:1', 'invalid spec: /a:/b:disown=1:1: too many colons'],
  ])('refuses %j', (text, message) => {
    expect(() => read(text)).toThrow(message)
  })
})

test('--tmpfs is a path and, after a colon, options', () => {
  expect(parseTmpfs('/t')).toEqual(['/t', ''])
  expect(parseTmpfs('/t:size=64m,mode=1777')).toEqual(['/t', 'size=64m,mode=1777'])
})
