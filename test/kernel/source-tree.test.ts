/** What others put in the place of a file while a tree is walked, and what is mounted in it. */
import { execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openAt, openDirectory, setModeAt } from '../../src/sys/at.ts'
import { cPath, makeCharacterDevice, makeFifo } from '../../src/sys/file.ts'
import { FileStatus } from '../../src/sys/file-status.ts'
import { SourceTree } from '../../src/sys/source-tree.ts'

const repository = join(import.meta.dirname, '../..')

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tsnet-source-'))
})
afterEach(() => rmSync(root, { recursive: true }))

/** Runs a script in a process of its own, started by `command`; returns what it prints as JSON. */
function runScript(command: readonly string[], script: string): unknown {
  const imports = `
    import { closeSync } from 'node:fs'
    import { cPath } from '${repository}/src/sys/file.ts'
    import { FileStatus } from '${repository}/src/sys/file-status.ts'
    import { SourceTree } from '${repository}/src/sys/source-tree.ts'`
  const [program = '', ...args] = [
    ...command,
    ...[process.execPath, '--input-type=module-typescript', '-e', imports + script],
  ]
  return JSON.parse(execFileSync(program, args, { encoding: 'utf8', timeout: 30_000 }))
}

test('a regular file is opened with its status', () => {
  writeFileSync(join(root, 'file'), 'content', { mode: 0o640 })
  using tree = new SourceTree(root)
  const status = new FileStatus()
  const fd = tree.openFile(tree.root.number, cPath('file'), status)
  expect(readFileSync(fd, 'utf8')).toBe('content')
  closeSync(fd)
  expect([status.length, status.permissions]).toEqual([7, 0o640])
})

test('a device that has taken the place of a file cannot be opened, as that would be an act upon it', () => {
  makeCharacterDevice(join(root, 'file'), 0o600, 1, 3)
  using plain = openDirectory(root)
  closeSync(openAt(plain.number, cPath('file'), 0))
  using tree = new SourceTree(root)
  expect(tree.refusesDevices).toBe(true)
  expect(() => openAt(tree.root.number, cPath('file'), 0)).toThrow('EACCES')
  expect(tree.openFile(tree.root.number, cPath('file'), new FileStatus())).toBe(-1)
})

test('what is no regular file, or gone, is not given for one', () => {
  symlinkSync('/etc/passwd', join(root, 'link'))
  makeFifo(join(root, 'fifo'), 0o600)
  using tree = new SourceTree(root)
  for (const name of ['link', 'fifo', 'gone'])
    expect(tree.openFile(tree.root.number, cPath(name), new FileStatus())).toBe(-1)
})

test('where nothing may be mounted, what has taken the place of a file is not opened either', async () => {
  makeFifo(join(root, 'fifo'), 0o600)
  writeFileSync(join(root, 'file'), 'content')
  // It waits as long as nobody opens the other end.
  const writer = spawn('sh', ['-c', `echo > ${join(root, 'fifo')}`], { stdio: 'ignore' })
  try {
    const script = `
      using tree = new SourceTree('${root}')
      const status = new FileStatus()
      const open = (name) => tree.openFile(tree.root.number, cPath(name), status)
      console.log(JSON.stringify([tree.refusesDevices, open('fifo'), open('gone'), open('file') >= 0, status.length]))`
    const opened = runScript(['setpriv', '--bounding-set=-sys_admin'], script)
    expect(opened).toEqual([false, -1, -1, true, 7])
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(writer.exitCode).toBe(null)
  } finally {
    writer.kill('SIGKILL')
    await new Promise((resolve) => writer.once('exit', resolve))
  }
})

test('reading leaves the time of the last access as it was', () => {
  writeFileSync(join(root, 'file'), 'content')
  utimesSync(join(root, 'file'), 1_000_000_000, 1_500_000_000)
  using tree = new SourceTree(root)
  const fd = tree.openFile(tree.root.number, cPath('file'), new FileStatus())
  expect(readFileSync(fd, 'utf8')).toBe('content')
  closeSync(fd)
  expect(statSync(join(root, 'file')).atimeMs).toBe(1_000_000_000_000)
})

test('what is mounted over a file is told from what belongs to the tree', () => {
  writeFileSync(join(root, 'file'), 'own')
  writeFileSync(join(root, 'other'), 'something else')
  const script = `
    using tree = new SourceTree('${root}')
    const status = new FileStatus()
    const fd = tree.openFile(tree.root.number, cPath('file'), status)
    closeSync(fd)
    console.log(JSON.stringify([tree.refusesDevices, status.isMountRoot, status.length]))`
  const mount = `mount --bind ${join(root, 'other')} ${join(root, 'file')} && exec "$@"`
  expect(runScript(['unshare', '--mount', 'sh', '-c', mount, 'sh'], script)).toEqual([true, true, 14])
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
