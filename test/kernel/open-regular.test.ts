/** What others put in the place of a file while a tree is walked. */
import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openDirectory, setModeAt } from '../../src/sys/at.ts'
import { cPath, makeFifo } from '../../src/sys/file.ts'
import { FileStatus } from '../../src/sys/file-status.ts'
import { openRegularAt } from '../../src/sys/open-regular.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tsnet-regular-'))
})
afterEach(() => rmSync(root, { recursive: true }))

test('a regular file is opened with its status', () => {
  writeFileSync(join(root, 'file'), 'content', { mode: 0o640 })
  using directory = openDirectory(root)
  const status = new FileStatus()
  const fd = openRegularAt(directory.number, cPath('file'), status)
  expect(readFileSync(fd, 'utf8')).toBe('content')
  closeSync(fd)
  expect([status.length, status.permissions]).toEqual([7, 0o640])
})

test('what has taken the place of a file is not opened, as that would be an act upon a device', async () => {
  makeFifo(join(root, 'file'), 0o600)
  // It waits as long as nobody opens the other end.
  const writer = spawn('sh', ['-c', `echo > ${join(root, 'file')}`], { stdio: 'ignore' })
  try {
    using directory = openDirectory(root)
    expect(openRegularAt(directory.number, cPath('file'), new FileStatus())).toBe(-1)
    expect(openRegularAt(directory.number, cPath('gone'), new FileStatus())).toBe(-1)
    symlinkSync('/etc/passwd', join(root, 'link'))
    expect(openRegularAt(directory.number, cPath('link'), new FileStatus())).toBe(-1)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(writer.exitCode).toBe(null)
  } finally {
    writer.kill('SIGKILL')
    await new Promise((resolve) => writer.once('exit', resolve))
  }
})

test('a link that others put in the place of a node does not lead its permissions elsewhere', () => {
  writeFileSync(join(root, 'secret'), '', { mode: 0o600 })
  symlinkSync(join(root, 'secret'), join(root, 'node'))
  using directory = openDirectory(root)
  try {
    setModeAt(directory.number, cPath('node'), 0o666)
  } catch (error) {
    // as newer kernels say
    expect(error).toMatchObject({ errnoName: 'EOPNOTSUPP' })
  }
  expect(statSync(join(root, 'secret')).mode & 0o777).toBe(0o600)
})
