import { describe, expect, test } from 'vitest'
import {
  MS_BIND,
  MS_NOATIME,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_SHARED,
  MS_SYNCHRONOUS,
} from '../../../src/sys/constants/mount.ts'
import { parseMountOptions, parseSourceOptions } from '../../../src/sys/mount-options.ts'

describe('mount options', () => {
  test('become flags where mount(2) has one, and else go to the file system in their order', () => {
    expect(parseMountOptions('ro,size=1m,noatime,mode=700', 0)).toEqual({
      flags: MS_RDONLY | MS_NOATIME,
      data: 'size=1m,mode=700',
    })
  })

  test('depart from the defaults, the last one counts', () => {
    const safe = MS_NOSUID | MS_NODEV | MS_NOEXEC
    expect(parseMountOptions('exec,dev', safe).flags).toBe(MS_NOSUID)
    expect(parseMountOptions('exec,noexec', safe).flags).toBe(safe)
    expect(parseMountOptions('ro,rw', 0).flags).toBe(0)
    expect(parseMountOptions('sync', 0).flags).toBe(MS_SYNCHRONOUS)
  })

  test('may be none, or have empty places', () => {
    expect(parseMountOptions('', 5)).toEqual({ flags: 5, data: '' })
    expect(parseMountOptions(',a,,b,', 0).data).toBe('a,b')
  })

  test('named like something that every object has are the file system’s affair', () => {
    expect(parseMountOptions('constructor,toString', 0)).toEqual({ flags: 0, data: 'constructor,toString' })
  })
})

describe('options of a device', () => {
  test('may bind, and say how mounts propagate in a call of its own', () => {
    expect(parseSourceOptions('rbind,ro,rshared')).toEqual({
      flags: MS_BIND | MS_REC | MS_RDONLY,
      propagation: MS_SHARED | MS_REC,
      data: '',
    })
    expect(parseSourceOptions('shared,private').propagation).toBe(MS_PRIVATE)
  })

  test('that mount(8) deals with itself do not reach the kernel', () => {
    expect(parseSourceOptions('defaults,loop,noatime,data=ordered')).toEqual({
      flags: MS_NOATIME,
      propagation: 0,
      data: 'data=ordered',
    })
  })

  test('hold in their order', () => {
    expect(parseSourceOptions('ro,bind,rw').flags).toBe(MS_BIND)
    expect(parseSourceOptions('vers=4,rw,addr=10.0.0.1').data).toBe('vers=4,addr=10.0.0.1')
  })
})
