/** Trees of every kind of file on the machine's own file systems, and what races and faults do to a copy. */
import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  hardLinkAt,
  makeDirectoryAt,
  openAt,
  openDirectory,
  openDirectoryAt,
  statAt,
} from '../../src/sys/at.ts'
import { copyTree } from '../../src/sys/copy-tree.ts'
import { Fd } from '../../src/sys/fd.ts'
import { cPath, makeCharacterDevice, makeFifo, setModified } from '../../src/sys/file.ts'
import { FileStatus } from '../../src/sys/file-status.ts'
import { removeTreeAt } from '../../src/sys/remove-tree.ts'
import { setXattr } from '../../src/sys/xattr.ts'
import { measureTree } from '../../src/volumes/worker/measure-tree.ts'

let root = ''
let from = ''
let to = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tsnet-tree-'))
  from = join(root, 'from')
  to = join(root, 'to')
  mkdirSync(from)
  mkdirSync(to)
})

afterEach(() => rmSync(root, { recursive: true }))

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } })
}

/** What tar(1) says of a tree: names, types, owners, modes, times, sizes, attributes, lists of access. */
function describeTree(path: string): string {
  const list = run('find', path, '-printf', '%P|%y|%U:%G|%m|%T@|%l|%n|%s\\n').split('\n')
  // The size of a directory is its own affair.
  const lines = list.map((line) => (line.split('|')[1] === 'd' ? line.replace(/\|\d+\|\d+$/, '') : line))
  const attributes = run('sh', '-c', `cd ${path} && getfattr -d -h -m- -R . 2>/dev/null || true`)
  return [...lines.sort(), attributes].join('\n')
}

test('a copy has owners, modes, set-id bits, times in nanoseconds, links, FIFOs and devices of its source', () => {
  mkdirSync(join(from, 'a/b'), { recursive: true })
  writeFileSync(join(from, 'a/file'), 'content')
  writeFileSync(join(from, 'empty'), '')
  chownSync(join(from, 'a/file'), 1234, 4321)
  chmodSync(join(from, 'a/file'), 0o6751)
  setModified(join(from, 'a/file'), 1_500_000_000_123_456_789n)
  linkSync(join(from, 'a/file'), join(from, 'a/b/again'))
  symlinkSync('../nowhere', join(from, 'a/link'))
  run('chown', '-h', '77:88', join(from, 'a/link'))
  makeFifo(join(from, 'fifo'), 0o640)
  makeCharacterDevice(join(from, 'null'), 0o666, 1, 3)
  chownSync(join(from, 'a'), 5, 6)
  chmodSync(join(from, 'a'), 0o3770)
  setModified(join(from, 'a'), 1_000_000_000_000_000_001n)
  chownSync(from, 9, 9)
  copyTree(from, to)
  expect(describeTree(to)).toBe(describeTree(from))
  expect(readFileSync(join(to, 'a/b/again'), 'utf8')).toBe('content')
  expect(statSync(join(to, 'a/file')).ino).toBe(statSync(join(to, 'a/b/again')).ino)
})

test('files of one directory have the owners of their sources, whatever owner a new file gets there', () => {
  chownSync(to, 0, 7)
  chmodSync(to, 0o2755)
  mkdirSync(join(from, 'inner'))
  const owners = [0, 1000, 0, 7, 0].map((uid, index) => [uid, index === 3 ? 7 : uid] as const)
  for (const directory of ['', 'inner']) {
    for (const [index, [uid, gid]] of owners.entries()) {
      writeFileSync(join(from, directory, `${index}`), 'x')
      chownSync(join(from, directory, `${index}`), uid, gid)
    }
  }
  copyTree(from, to)
  for (const directory of ['', 'inner']) {
    const copied = owners.map((_, index) => statSync(join(to, directory, `${index}`)))
    expect(copied.map(({ uid, gid }) => [uid, gid])).toEqual(owners)
  }
})

test('extended attributes, lists of access and capabilities come along, and what a default list would add does not', () => {
  writeFileSync(join(from, 'program'), 'x')
  run('setcap', 'cap_net_raw+ep', join(from, 'program'))
  setXattr(join(from, 'program'), 'user.note', Buffer.from([0, 255, 1]))
  mkdirSync(join(from, 'shared'))
  writeFileSync(join(from, 'shared/before'), 'made before the list')
  run('setfacl', '-m', 'u:1000:rwx,d:u:1000:rwx', join(from, 'shared'))
  writeFileSync(join(from, 'shared/after'), 'made after it')
  symlinkSync('x', join(from, 'link'))
  setXattr(join(from, 'link'), 'trusted.note', Buffer.from('of a link'))
  // Of the target's own list nothing is left.
  run('setfacl', '-m', 'd:u:2000:rwx', to)
  copyTree(from, to)
  expect(describeTree(to)).toBe(describeTree(from))
  expect(run('getcap', join(to, 'program'))).toContain('cap_net_raw')
  expect(run('getfacl', '-cpn', join(to, 'shared/after'))).toContain('user:1000')
  expect(run('getfacl', '-cpn', join(to, 'shared/before'))).not.toContain('user:1000')
})

test('holes stay holes: 10 GiB with two blocks of data take no more in the copy', () => {
  const path = join(from, 'sparse')
  writeFileSync(path, '')
  truncateSync(path, 10 * 2 ** 30)
  const fd = openSync(path, 'r+')
  writeSync(fd, 'head', 0)
  writeSync(fd, 'middle', 5 * 2 ** 30)
  closeSync(fd)
  writeFileSync(join(from, 'only-hole'), '')
  truncateSync(join(from, 'only-hole'), 2 ** 30)
  copyTree(from, to)
  expect(statSync(join(to, 'sparse')).size).toBe(10 * 2 ** 30)
  expect(statSync(join(to, 'sparse')).blocks).toBe(statSync(path).blocks)
  expect(statSync(join(to, 'only-hole')).blocks).toBe(0)
  run('cmp', '-n', String(2 ** 20), '-i', String(5 * 2 ** 30 - 4096), path, join(to, 'sparse'))
})

test('names that are no text, spaces and newlines come through byte by byte', () => {
  const names = [
    Buffer.from([0xff, 0xfe, 0x80]),
    Buffer.from('ünïcode ☃'),
    Buffer.from('a\nb'),
    Buffer.from(' '),
    Buffer.from('...'),
  ]
  for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${from}/`), name]), name)
  copyTree(from, to)
  const copied = readdirSync(to, { encoding: 'buffer' })
  expect(copied.map((name) => name.toString('hex')).sort()).toEqual(
    names.map((name) => name.toString('hex')).sort(),
  )
})

test('a socket is left out, and nothing else', async () => {
  const server = createServer().listen(join(from, 'socket'))
  await new Promise((resolve) => server.once('listening', resolve))
  writeFileSync(join(from, 'file'), '')
  copyTree(from, to)
  server.close()
  expect(readdirSync(to)).toEqual(['file'])
})

const level = cPath('level')

/** Goes down by descriptors, each level through `step`; paths would be too long. */
function descend(path: string, levels: number, step: (directory: number) => void = () => {}): Fd {
  let directory = openDirectory(path)
  for (let depth = 0; depth < levels; depth++) {
    step(directory.number)
    const inner = new Fd(openDirectoryAt(directory.number, level))
    directory.close()
    directory = inner
  }
  return directory
}

test('a tree that is deeper than any path may be long is copied, measured and removed', () => {
  // a path has 4096 bytes at the most, and a process mostly 1024 open files
  const levels = 1100
  using deepest = descend(from, levels, (directory) => makeDirectoryAt(directory, level, 0o750))
  closeSync(openAt(deepest.number, cPath('file'), constants.O_WRONLY | constants.O_CREAT, 0o640))
  hardLinkAt(deepest.number, cPath('file'), deepest.number, cPath('again'))
  copyTree(from, to)
  using copied = descend(to, levels)
  const status = new FileStatus()
  statAt(copied.number, cPath('again'), status)
  expect(status.links).toBe(2)
  const context = { progress: () => {}, write: () => {} }
  expect(measureTree({ path: to }, context)).toBe(measureTree({ path: from }, context))
  using parent = openDirectory(root)
  removeTreeAt(parent.number, cPath('from'))
  removeTreeAt(parent.number, cPath('to'))
  expect(readdirSync(root)).toEqual([])
})

test('20,000 entries are copied and removed in bounded time', () => {
  const memory = mkdtempSync('/dev/shm/tsnet-tree-')
  try {
    for (let directory = 0; directory < 10; directory++) {
      mkdirSync(join(memory, `from/${directory}`), { recursive: true })
      for (let file = 0; file < 2000; file++)
        closeSync(openSync(join(memory, `from/${directory}/${file}`), 'w'))
    }
    mkdirSync(join(memory, 'to'))
    const begin = performance.now()
    copyTree(join(memory, 'from'), join(memory, 'to'))
    expect(readdirSync(join(memory, 'to'), { recursive: true }).length).toBe(20_010)
    using parent = openDirectory(memory)
    removeTreeAt(parent.number, cPath('to'))
    expect(performance.now() - begin).toBeLessThan(30_000)
    expect(readdirSync(memory)).toEqual(['from'])
  } finally {
    rmSync(memory, { recursive: true })
  }
})

test('what a link leads to outside is neither copied nor written to', () => {
  const outside = join(root, 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'secret'), 'secret')
  symlinkSync(outside, join(from, 'directory'))
  symlinkSync(join(outside, 'secret'), join(from, 'file'))
  copyTree(from, to)
  expect(readlinkSync(join(to, 'directory'))).toBe(outside)
  expect(lstatSync(join(to, 'file')).isSymbolicLink()).toBe(true)
  expect(readdirSync(outside)).toEqual(['secret'])
})

test('a directory that others swap for a link all the time never leads outside, and the copy ends', async () => {
  const outside = join(root, 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'secret'), 'secret')
  for (let i = 0; i < 20; i++) {
    mkdirSync(join(from, `d${i}`))
    writeFileSync(join(from, `d${i}/inner`), 'inner')
  }
  const script = `cd ${from}; while :; do for i in 0 5 10 15; do mv d$i x$i && ln -s ${outside} d$i && rm d$i && mv x$i d$i; done; done`
  const racer = spawn('sh', ['-c', script], { stdio: 'ignore' })
  try {
    for (let round = 0; round < 30; round++) {
      const target = join(root, `copy${round}`)
      mkdirSync(target)
      copyTree(from, target)
      const secrets = run('find', target, '-name', 'secret')
      expect(secrets).toBe('')
      expect(existsSync(join(target, 'd1/inner'))).toBe(true)
    }
  } finally {
    racer.kill('SIGKILL')
    await new Promise((resolve) => racer.once('exit', resolve))
  }
})

test('files that come, grow, shrink and go meanwhile do no harm', async () => {
  const script = `cd ${from}; while :; do for i in 1 2 3 4; do head -c $((i*50000)) /dev/zero > f$i; mv f$i g$i; : > g$i; rm g$i; done; done`
  const racer = spawn('sh', ['-c', script], { stdio: 'ignore' })
  writeFileSync(join(from, 'steady'), 'steady')
  try {
    for (let round = 0; round < 50; round++) {
      const target = join(root, `copy${round}`)
      mkdirSync(target)
      copyTree(from, target)
      expect(readFileSync(join(target, 'steady'), 'utf8')).toBe('steady')
    }
  } finally {
    racer.kill('SIGKILL')
    await new Promise((resolve) => racer.once('exit', resolve))
  }
})

test('a copy into the tree itself ends', () => {
  writeFileSync(join(from, 'file'), '')
  renameSync(to, join(from, 'to'))
  copyTree(from, join(from, 'to'))
  expect(readdirSync(join(from, 'to'))).toEqual(['file'])
})

test('the progress adds up to the bytes of content', () => {
  writeFileSync(join(from, 'small'), Buffer.alloc(1000, 1))
  writeFileSync(join(from, 'large'), Buffer.alloc(3_000_000, 1))
  let bytes = 0
  copyTree(from, to, {
    progress: (copied) => {
      bytes += copied
    },
  })
  expect(bytes).toBe(3_001_000)
})

test('a failure names the path inside the tree and what the kernel said', () => {
  mkdirSync(join(from, 'a/b'), { recursive: true })
  writeFileSync(join(from, 'a/b/file'), 'x')
  mkdirSync(join(to, 'a/b'), { recursive: true })
  writeFileSync(join(to, 'a/b/file'), 'was there')
  expect(() => copyTree(from, to)).toThrow('openat a/b/file: EEXIST')
})
