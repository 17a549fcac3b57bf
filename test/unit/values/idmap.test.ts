import { describe, expect, test } from 'vitest'
import { formatIdmap, parseIdmap } from '../../../src/values/idmap.ts'

describe('a mapping of owners', () => {
  test('without kinds is for users and groups', () => {
    expect(parseIdmap('1000:0:1')).toEqual({
      uid: [{ disk: 1000, seen: 0, count: 1 }],
      gid: [{ disk: 1000, seen: 0, count: 1 }],
    })
  })

  test.each([
    ['1000:0:1', 'uid:1000:0:1;gid:1000:0:1'],
    ['gid:5:6:7;uid:1:2:3', 'uid:1:2:3;gid:5:6:7'],
    ['uid:9:0:1;uid:3:1:2', 'uid:3:1:2;uid:9:0:1'],
    ['uid:0:0:4294967295', 'uid:0:0:4294967295'],
  ])('%s has one form, which is %s', (text, canonical) => {
    expect(formatIdmap(parseIdmap(text))).toBe(canonical)
    expect(formatIdmap(parseIdmap(canonical))).toBe(canonical)
  })

  test.each([
    ['', 'is not [uid:|gid:]DISK:SEEN:COUNT'],
    ['1000:0', 'is not [uid:|gid:]DISK:SEEN:COUNT'],
    ['1000:0:1;', "'' is not"],
    ['user:1000:0:1', 'is not [uid:|gid:]DISK:SEEN:COUNT'],
    ['-1:0:1', 'is not [uid:|gid:]DISK:SEEN:COUNT'],
    ['1000:0:0', 'maps nothing'],
    ['4294967295:0:1', 'goes beyond the last id, 4294967294'],
    ['0:4294967290:6', 'goes beyond the last id, 4294967294'],
    ['0:10:5;4:20:1', '4 is mapped twice'],
    ['0:10:5;100:14:1', '14 is mapped to twice'],
    [
      Array.from({ length: 341 }, (_, index) => `uid:${index}:${index}:1`).join(';'),
      'there may be 340 ranges',
    ],
  ])('%s is none', (text, problem) => {
    expect(() => parseIdmap(text)).toThrow(problem)
  })
})
