import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { copyUp } from '../../src/init/copy-up.ts'

let root = ''
let from = ''
let to = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tsnet-copy-'))
  from = join(root, 'image')
  to = join(root, 'volume')
  mkdirSync(from)
  mkdirSync(to)
})
afterEach(() => rmSync(root, { recursive: true }))

const then = new Date('2020-02-03T04:05:06Z')

test('a volume gets the image’s files with their content, owner, mode and time', () => {
  writeFileSync(join(from, 'file'), 'content')
  chownSync(join(from, 'file'), 12, 34)
  // Set-user-id goes away with a later chown(2).
  chmodSync(join(from, 'file'), 0o4751)
  utimesSync(join(from, 'file'), then, then)
  copyUp(from, to)
  expect(readFileSync(join(to, 'file'), 'utf8')).toBe('content')
  expect(lstatSync(join(to, 'file'))).toMatchObject({ uid: 12, gid: 34, mode: 0o104751, mtime: then })
})

test('a volume gets the image’s directories at any depth, and the root’s own owner and mode', () => {
  mkdirSync(join(from, 'a/b/c'), { recursive: true })
  writeFileSync(join(from, 'a/b/c/deep'), 'x')
  chmodSync(join(from, 'a/b'), 0o2770)
  chownSync(from, 99, 98)
  chmodSync(from, 0o1777)
  utimesSync(join(from, 'a'), then, then)
  copyUp(from, to)
  expect(readFileSync(join(to, 'a/b/c/deep'), 'utf8')).toBe('x')
  expect(lstatSync(join(to, 'a/b')).mode).toBe(0o42770)
  // Filled before its time is set.
  expect(lstatSync(join(to, 'a')).mtime).toEqual(then)
  expect(lstatSync(to)).toMatchObject({ uid: 99, gid: 98, mode: 0o41777 })
})

test('a link stays a link, wherever it leads, and keeps its owner', () => {
  symlinkSync('/etc/passwd', join(from, 'away'))
  symlinkSync('nowhere', join(from, 'dangling'))
  execFileSync('chown', ['-h', '7:8', join(from, 'away')])
  copyUp(from, to)
  expect(readlinkSync(join(to, 'away'))).toBe('/etc/passwd')
  expect(readlinkSync(join(to, 'dangling'))).toBe('nowhere')
  expect(lstatSync(join(to, 'away'))).toMatchObject({ uid: 7, gid: 8 })
})

test('a FIFO is made again; a socket is not', async () => {
  execFileSync('mkfifo', ['-m', '640', join(from, 'fifo')])
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(join(from, 'socket'), resolve))
  copyUp(from, to)
  server.close()
  expect(readdirSync(to)).toEqual(['fifo'])
  expect(lstatSync(join(to, 'fifo')).isFIFO()).toBe(true)
  expect(lstatSync(join(to, 'fifo')).mode & 0o777).toBe(0o640)
})

test('hard links become files of their own', () => {
  writeFileSync(join(from, 'one'), 'same')
  linkSync(join(from, 'one'), join(from, 'two'))
  copyUp(from, to)
  expect(readFileSync(join(to, 'two'), 'utf8')).toBe('same')
})

test('where the image has a link, the volume is filled from where that leads', () => {
  mkdirSync(join(root, 'elsewhere'), { mode: 0o750 })
  writeFileSync(join(root, 'elsewhere/file'), 'x')
  symlinkSync('elsewhere', join(root, 'link'))
  copyUp(join(root, 'link'), to)
  expect(readdirSync(to)).toEqual(['file'])
  expect(lstatSync(to).mode).toBe(0o40750)
})
