import { lstatSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeBlockDevice, makeCharacterDevice, makeFifo, setModified } from '../../../src/sys/file.ts'
import { getXattr, listXattrs, setXattr } from '../../../src/sys/xattr.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsnet-files-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

test('device numbers beyond 8 bits are packed as the kernel unpacks them', () => {
  makeBlockDevice(join(directory, 'b'), 0o600, 259, 70_000)
  makeCharacterDevice(join(directory, 'c'), 0o600, 4095, 1_048_575)
  // major and minor as in <linux/kdev_t.h>, from the number that stat(2) returns
  const parts = (name: string): [bigint, bigint] => {
    const { rdev } = lstatSync(join(directory, name), { bigint: true })
    return [
      ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n),
      (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n),
    ]
  }
  expect(parts('b')).toEqual([259n, 70_000n])
  expect(parts('c')).toEqual([4095n, 1_048_575n])
  expect(lstatSync(join(directory, 'b')).isBlockDevice()).toBe(true)
  expect(lstatSync(join(directory, 'c')).isCharacterDevice()).toBe(true)
})

test('a name need not be UTF-8', () => {
  const path = Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff, 0xfe])])
  makeFifo(path, 0o600)
  expect(lstatSync(path).isFIFO()).toBe(true)
})

test('times are set to the nanosecond, before 1970 too, and on a link itself', () => {
  const link = join(directory, 'link')
  symlinkSync('/nowhere', link)
  for (const time of [1_234_567_890_123_456_789n, -1n, -1_500_000_000n, 0n]) {
    setModified(link, time)
    expect(lstatSync(link, { bigint: true }).mtimeNs).toBe(time)
  }
})

test('attributes come back byte for byte, and a missing one is null', () => {
  const path = join(directory, 'file')
  writeFileSync(path, '')
  const value = Buffer.from([0, 255, 128, 10])
  setXattr(path, 'user.one', value)
  setXattr(path, 'trusted.two', Buffer.alloc(0))
  expect(getXattr(path, 'user.one')).toEqual(value)
  expect(getXattr(path, 'trusted.two')).toEqual(Buffer.alloc(0))
  expect(getXattr(path, 'user.three')).toBeNull()
  expect(listXattrs(path).toSorted()).toEqual(['trusted.two', 'user.one'])
})

test('a failure names the call, the file and what the kernel said', () => {
  const missing = join(directory, 'missing')
  expect(() => setXattr(missing, 'user.a', Buffer.alloc(1))).toThrow(`lsetxattr ${missing} user.a: ENOENT`)
  expect(() => getXattr(missing, 'user.a')).toThrow(`lgetxattr ${missing} user.a: ENOENT`)
  expect(() => makeFifo(directory, 0o600)).toThrow(`mknod ${directory}: EEXIST`)
})
