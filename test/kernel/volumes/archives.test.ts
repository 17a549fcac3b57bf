import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { getXattr, listXattrs, setXattr } from '../../../src/sys/xattr.ts'
import { parseArchiveSeal, sealSize } from '../../../src/values/volume-archive.ts'
import { exportVolume } from '../../../src/volumes/worker/export-volume.ts'
import type { Limits } from '../../../src/volumes/worker/unpack-room.ts'
import { unpackVolume } from '../../../src/volumes/worker/unpack-volume.ts'
import { verifyArchive } from '../../../src/volumes/worker/verify-archive.ts'

let dir: string
// In memory: what is unpacked is written to the disk once before it counts.
beforeEach(() => {
  dir = mkdtempSync('/dev/shm/tsnet-archives-')
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const label = { name: 'data', driver: 'local', labels: { a: 'b' }, options: {} }
const run = (command: string, ...args: string[]): string => execFileSync(command, args, { encoding: 'utf8' })

function folder(name: string): string {
  mkdirSync(join(dir, name))
  return join(dir, name)
}

interface Archive {
  readonly bytes: Buffer
  readonly leftOut: number
}

function exported(root: string, resume: Parameters<typeof exportVolume>[0]['resume'] = null): Archive {
  const parts: Buffer[] = []
  // They last only for the call.
  const write = (bytes: Buffer): number => parts.push(Buffer.from(bytes))
  const { leftOut } = exportVolume({ root, label, resume }, { progress: () => {}, write })
  return { bytes: Buffer.concat(parts), leftOut }
}

const quiet = { progress: () => {}, write: () => {} }

function unpacked(bytes: Buffer, root: string, limits: Partial<Limits> = {}) {
  const archive = join(dir, 'archive')
  writeFileSync(archive, bytes)
  return unpackVolume(
    { archive, root, maxSize: null, maxEntries: 10_000_000, isLimited: false, ...limits },
    quiet,
  )
}

function verified(bytes: Buffer): ReturnType<typeof verifyArchive> {
  const archive = join(dir, 'archive')
  writeFileSync(archive, bytes)
  return verifyArchive({ archive }, quiet)
}

/** All that an archive is to keep, by path; hard links by the first of their names. */
function describeTree(root: string): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  const firsts = new Map<bigint, string>()
  const look = (path: string): void => {
    const at = Buffer.from(path === '' ? root : `${root}/${path}`, 'latin1')
    const stats = lstatSync(at, { bigint: true })
    const first = stats.isDirectory() ? path : (firsts.get(stats.ino) ?? path)
    firsts.set(stats.ino, first)
    found[path] = {
      mode: stats.mode.toString(8),
      owner: `${stats.uid}:${stats.gid}`,
      time: stats.mtimeNs,
      first,
      size: stats.isFile() ? stats.size : 0n,
      content: stats.isFile() ? createHash('sha256').update(readFileSync(at)).digest('hex') : '',
      target: stats.isSymbolicLink() ? readlinkSync(at, 'latin1') : '',
      xattrs: [...listXattrs(at)].sort().map((name) => [name, getXattr(at, name)!.toString('hex')]),
    }
    if (!stats.isDirectory()) return
    for (const name of readdirSync(at, 'latin1').sort()) look(path === '' ? name : `${path}/${name}`)
  }
  look('')
  return found
}

/** A tree with one of everything. */
function makeTree(root: string): void {
  mkdirSync(join(root, 'd/deep/deeper'), { recursive: true })
  writeFileSync(join(root, 'empty'), '')
  writeFileSync(join(root, 'd/text'), 'some text\n'.repeat(1000))
  linkSync(join(root, 'd/text'), join(root, 'd/deep/again'))
  symlinkSync('../../nowhere', join(root, 'd/link'))
  symlinkSync('x'.repeat(300), join(root, 'long-link'))
  writeFileSync(join(root, 'n'.repeat(255)), 'a long name')
  writeFileSync(join(root, 'ünï ☃'), 'a name in UTF-8')
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe, 0x41])]), 'a name of bytes')
  run('mkfifo', '-m', '640', join(root, 'fifo'))
  run('mknod', join(root, 'null'), 'c', '1', '3')
  writeFileSync(join(root, 'owned'), 'x', { mode: 0o640 })
  run('chown', '3000000:70000', join(root, 'owned'))
  run('chmod', '4755', join(root, 'owned'))
  setXattr(join(root, 'owned'), 'user.bytes', Buffer.from([0, 1, 0xff, 10, 61]))
  setXattr(join(root, 'owned'), 'user.a=b%c', Buffer.from('odd'))
  setXattr(join(root, 'owned'), 'user.größe.名', Buffer.from('in UTF-8'))
  run('setfacl', '-m', 'u:1234:rw,g:77:r', join(root, 'empty'))
  run('setfacl', '-d', '-m', 'u:1234:rwx', join(root, 'd'))
  const sparse = openSync(join(root, 'sparse'), 'w')
  writeSync(sparse, 'begin', 0)
  writeSync(sparse, 'middle', 10 << 20)
  closeSync(sparse)
  truncateSync(join(root, 'sparse'), 16 << 20)
  writeFileSync(join(root, 'hole'), '')
  truncateSync(join(root, 'hole'), 32 << 20)
  run('touch', '-d', '1960-05-04 03:02:01.123456789', join(root, 'd/text'))
  run('touch', '-h', '-d', '2033-01-01 00:00:00.5', join(root, 'd/link'))
  run('touch', '-d', '2001-02-03 04:05:06.000000007', join(root, 'd/deep'))
  run('touch', '-d', '2001-02-03 04:05:06', root)
}

describe('an exported volume', () => {
  it.each(['/dev/shm', tmpdir()])(
    'comes back with everything, and sparse files as sparse as they were, in %s',
    (place) => {
      rmSync(dir, { recursive: true })
      dir = mkdtempSync(join(place, 'tsnet-archives-'))
      const from = folder('from')
      makeTree(from)
      const archive = exported(from)
      expect(archive.bytes.length).toBeLessThan(100_000)
      expect(verified(archive.bytes)).toEqual({ label })
      const to = folder('to')
      unpacked(archive.bytes, to)
      expect(describeTree(to)).toEqual(describeTree(from))
      for (const name of ['sparse', 'hole']) {
        expect(lstatSync(join(to, name)).blocks, name).toBe(lstatSync(join(from, name)).blocks)
      }
    },
  )

  it('is read by GNU tar, with attributes, lists and holes', () => {
    const from = folder('from')
    makeTree(from)
    writeFileSync(join(dir, 'a.tar.zst'), exported(from).bytes)
    const to = folder('to')
    const flags = ['--zstd', '--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner', '-xpf']
    run('tar', ...flags, join(dir, 'a.tar.zst'), '-C', to)
    expect(describeTree(to)).toEqual(describeTree(from))
    expect(lstatSync(join(to, 'sparse')).blocks).toBeLessThan(100)
  })

  it('is the same bytes when nothing has changed', () => {
    const from = folder('from')
    makeTree(from)
    expect(exported(from).bytes.equals(exported(from).bytes)).toBe(true)
  })

  it('goes on in the middle, and refuses to, with nothing written, when it begins otherwise by now', () => {
    const from = folder('from')
    makeTree(from)
    const { bytes } = exported(from)
    const part = (offset: number) => {
      const sha256 = createHash('sha256').update(bytes.subarray(0, offset)).digest('hex')
      return { offset, sha256 }
    }
    for (const offset of [1, 100, bytes.length - sealSize - 1, bytes.length - 10, bytes.length]) {
      const rest = exported(from, part(offset)).bytes
      expect(rest.equals(bytes.subarray(offset)), `${offset}`).toBe(true)
    }
    const changed = 'has changed since its export began'
    expect(() => exported(from, { ...part(10), offset: 11 })).toThrow(changed)
    expect(() => exported(from, { ...part(10), offset: bytes.length + 1 })).toThrow(changed)
    utimesSync(join(from, 'd/deep'), 1, 1)
    const write = vi.fn()
    const again = { root: from, label, resume: part(bytes.length - 1000) }
    expect(() => exportVolume(again, { progress: () => {}, write })).toThrow(changed)
    expect(write).not.toHaveBeenCalled()
  })

  it('leaves out sockets, and devices that no volume may hold', async () => {
    const from = folder('from')
    run('mknod', join(from, 'disk'), 'b', '8', '0')
    const server = createServer().listen(join(from, 'socket'))
    await new Promise((resolve) => server.once('listening', resolve))
    const archive = exported(from)
    server.close()
    expect(archive.leftOut).toBe(2)
    const to = folder('to')
    unpacked(archive.bytes, to)
    expect(readdirSync(to)).toEqual([])
  })

  it('is refused when a byte of it is another, or any part of it is missing', () => {
    const from = folder('from')
    writeFileSync(join(from, 'file'), 'text'.repeat(10_000))
    const { bytes } = exported(from)
    expect(parseArchiveSeal(bytes.subarray(-sealSize))?.bytes).toBe(bytes.length - sealSize)
    for (let at = 0; at < bytes.length - sealSize; at += 7) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 0x40
      // Without the mark of its label it is an archive of others.
      if (at >= 4) expect(() => verified(changed), `byte ${at}`).toThrow(/archive/)
      if (at > 0)
        expect(() => verified(bytes.subarray(0, bytes.length - at)), `less ${at}`).toThrow('cut short')
    }
  })

  it.each([1, 2].map((seed) => [seed]))('holds trees of all kinds (seed %i)', (seed) => {
    const name = fc
      .uint8Array({ minLength: 1, maxLength: 120 })
      .map((bytes) =>
        Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x41 : byte))).toString('latin1'),
      )
    const file = fc.record({
      path: fc.array(name, { minLength: 1, maxLength: 4 }),
      kind: fc.constantFrom('file', 'directory', 'link', 'symlink', 'sparse'),
      size: fc.nat(70_000),
      mode: fc.nat(0o7777),
      xattr: fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null }),
      time: fc.integer({ min: -1_000_000, max: 2_000_000_000 }),
    })
    let round = 0
    const property = fc.property(fc.array(file, { maxLength: 12 }), (files) => {
      const from = folder(`from${round}`)
      const to = folder(`to${round++}`)
      const made: Buffer[] = []
      for (const one of files) makeEntry(from, one, made)
      unpacked(exported(from).bytes, to)
      expect(describeTree(to)).toEqual(describeTree(from))
    })
    fc.assert(property, { seed, numRuns: 12 })
  })
})

interface RandomFile {
  readonly path: readonly string[]
  readonly kind: string
  readonly size: number
  readonly mode: number
  readonly xattr: Uint8Array | null
  readonly time: number
}

/** Makes it unless something is in its way. */
function makeEntry(root: string, { path, kind, size, mode, xattr, time }: RandomFile, made: Buffer[]): void {
  const at = Buffer.from(`${root}/${path.join('/')}`, 'latin1')
  try {
    mkdirSync(Buffer.from(dirname(at.toString('latin1')), 'latin1'), { recursive: true })
    if (kind === 'directory') mkdirSync(at)
    else if (kind === 'symlink') symlinkSync(Buffer.from(path[0]!, 'latin1'), at)
    else if (kind === 'link' && made.length > 0) linkSync(made[size % made.length]!, at)
    else {
      writeFileSync(at, Buffer.alloc(size, path[0]!, 'latin1'), { flag: 'wx', mode: mode & 0o777 })
      if (kind === 'sparse') truncateSync(at, size + 1_000_000)
      if (xattr !== null) setXattr(at, 'user.test', Buffer.from(xattr))
      utimesSync(at, time, time + 0.25)
      made.push(at)
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (!['EEXIST', 'ENOTDIR', 'ENAMETOOLONG'].includes(code ?? '')) throw error
  }
}

describe('an archive of others', () => {
  it.each([
    ['plain pax', ['--format=pax']],
    ['GNU', ['--format=gnu']],
    [
      'ustar',
      [
        '--format=ustar',
        '--exclude=long-link',
        '--exclude=nnn*',
        '--exclude=owned',
        '--exclude=text',
        '--exclude=again',
      ],
    ],
    [
      'old',
      [
        '--format=v7',
        '--exclude=long-link',
        '--exclude=nnn*',
        '--exclude=null',
        '--exclude=fifo',
        '--exclude=owned',
        '--exclude=text',
        '--exclude=again',
      ],
    ],
    ['sparse pax 1.0', ['--format=pax', '-S']],
    ['sparse pax 0.1', ['--format=pax', '-S', '--sparse-version=0.1']],
    ['sparse GNU', ['--format=gnu', '-S']],
  ])('is unpacked as GNU tar unpacks it: %s', (_title, flags) => {
    const from = folder('from')
    makeTree(from)
    rmSync(join(from, 'hole'))
    const archive = join(dir, 'other.tar')
    run('tar', ...flags, '--exclude=hole', '-cf', archive, '-C', from, '.')
    const [theirs, ours] = [folder('theirs'), folder('ours')]
    run('tar', '--numeric-owner', '-xpf', archive, '-C', theirs)
    unpacked(readFileSync(archive), ours)
    expect(describeTree(ours)).toEqual(describeTree(theirs))
    if (flags.includes('-S')) expect(lstatSync(join(ours, 'sparse')).blocks).toBeLessThan(100)
  })

  it('may have attributes and access control lists', () => {
    const from = folder('from')
    makeTree(from)
    const archive = join(dir, 'other.tar')
    run(
      'tar',
      '--format=pax',
      '-S',
      '--xattrs',
      '--xattrs-include=*',
      '--acls',
      '-cf',
      archive,
      '-C',
      from,
      '.',
    )
    const to = folder('to')
    unpacked(readFileSync(archive), to)
    expect(describeTree(to)).toEqual(describeTree(from))
  })

  it('may tell of a directory before what is in it, whose default list goes over to nothing', () => {
    const from = folder('from')
    for (const name of ['a', 'b']) mkdirSync(join(from, name))
    for (const name of ['', 'a']) {
      writeFileSync(join(from, name, 'file'), 'text')
      mkdirSync(join(from, name, 'inner'))
      setXattr(join(from, name), 'user.mark', Buffer.from('mine'))
      run('setfacl', '-m', 'u:1234:rx', '-m', 'd:u:1234:rwx', join(from, name))
    }
    const archive = join(dir, 'other.tar')
    const names = ['.', './a', './b', './b', './a/file', './b', './a/inner', './file', './inner']
    const format = ['--format=pax', '--xattrs', '--acls', '--no-recursion', '--hard-dereference']
    run('tar', ...format, '-cf', archive, '-C', from, ...names)
    const to = folder('to')
    unpacked(readFileSync(archive), to)
    expect(describeTree(to)).toEqual(describeTree(from))
  })

  it('may be compressed by gzip or zstd, in one part or several, and has no check sum', () => {
    const from = folder('from')
    writeFileSync(join(from, 'file'), 'text'.repeat(100_000))
    const tar = execFileSync('tar', ['-c', '-C', from, 'file'])
    const half = 1000
    const forms = [
      gzipSync(tar),
      Buffer.concat([gzipSync(tar.subarray(0, half)), gzipSync(tar.subarray(half))]),
      zstdCompressSync(tar),
      Buffer.concat([zstdCompressSync(tar.subarray(0, half)), zstdCompressSync(tar.subarray(half))]),
    ]
    for (const [index, bytes] of forms.entries()) {
      expect(verified(bytes)).toEqual({ label: null })
      const to = folder(`to${index}`)
      unpacked(bytes, to)
      expect(readFileSync(join(to, 'file'), 'utf8')).toBe('text'.repeat(100_000))
    }
  })

  it('is refused when it is cut short, wherever that is', () => {
    const from = folder('from')
    writeFileSync(join(from, 'file'), 'text'.repeat(1000))
    const tar = execFileSync('tar', ['-c', '-C', from, 'file'])
    const to = folder('to')
    for (const bytes of [tar.subarray(0, 4608), gzipSync(tar), zstdCompressSync(tar)]) {
      for (const length of [1, 20, bytes.length / 2, bytes.length - 9].map(Math.trunc)) {
        expect(() => unpacked(bytes.subarray(0, length), to), `${length} of ${bytes.length}`).toThrow()
        expect(readdirSync(to)).toEqual([])
      }
    }
  })
})

/** A header of ustar, with the data that follows. */
function entry(
  name: string,
  type: string,
  more: { target?: string; data?: Buffer; size?: number; device?: number[] } = {},
): Buffer {
  const header = Buffer.alloc(512)
  const data = more.data ?? Buffer.alloc(0)
  const octal = (value: number, at: number, length: number): void =>
    void header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1')
  header.write(name, 0, 100, 'latin1')
  octal(0o644, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(more.size ?? data.length, 124, 12)
  octal(0, 136, 12)
  header.write(type, 156, 'latin1')
  header.write(more.target ?? '', 157, 100, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  octal(more.device?.[0] ?? 0, 329, 8)
  octal(more.device?.[1] ?? 0, 337, 8)
  header.write('        ', 148, 'latin1')
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    8,
  )
  return Buffer.concat([header, data, Buffer.alloc((512 - (data.length % 512)) % 512)])
}

function pax(records: Record<string, string>): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = key.length + value.length + 3
    const length = rest + String(rest + String(rest).length).length
    return `${length} ${key}=${value}\n`
  })
  return entry('x', 'x', { data: Buffer.from(lines.join(''), 'latin1') })
}

const end = Buffer.alloc(1024)

describe('a hostile archive', () => {
  const hostile: readonly (readonly [title: string, refusal: RegExp, entries: readonly Buffer[]])[] = [
    ['an absolute name', /absolute path/, [entry('/etc/evil', '0')]],
    ['a name that goes up', /".." in the path/, [entry('../evil', '0')]],
    ['a name that goes down and up', /".." in the path/, [entry('a/../../evil', '0')]],
    ['a long name that goes up', /".." in the path/, [pax({ path: '../evil' }), entry('good', '0')]],
    [
      'a sparse name that goes up',
      /".." in the path/,
      [
        pax({ 'GNU.sparse.name': '../evil', 'GNU.sparse.size': '0', 'GNU.sparse.map': '0,0' }),
        entry('good', '0'),
      ],
    ],
    [
      'a way through an absolute link',
      /through a link/,
      [entry('l', '2', { target: '/tmp' }), entry('l/evil', '0')],
    ],
    [
      'a way through a link up',
      /through a link/,
      [entry('l', '2', { target: '../..' }), entry('l/evil', '0')],
    ],
    [
      'a directory over a link',
      /through a link/,
      [entry('l', '2', { target: '/tmp' }), entry('l', '5'), entry('l/evil', '0')],
    ],
    ['a hard link out', /".." in the path/, [entry('h', '1', { target: '../../etc/passwd' })]],
    ['a hard link to an absolute path', /absolute path/, [entry('h', '1', { target: '/etc/passwd' })]],
    [
      'a hard link through a link',
      /no file of the archive/,
      [entry('l', '2', { target: '/etc' }), entry('h', '1', { target: 'l/passwd' })],
    ],
    ['a hard link to nothing', /no file of the archive/, [entry('h', '1', { target: 'gone' })]],
    [
      'a hard link to a directory',
      /no file of the archive/,
      [entry('d', '5'), entry('h', '1', { target: 'd' })],
    ],
    ['a disk', /device node b 8:0/, [entry('disk', '4', { device: [8, 0] })]],
    ['the memory', /device node c 1:1/, [entry('mem', '3', { device: [1, 1] })]],
    ['one name as file and directory', /two different things/, [entry('a', '5'), entry('a', '0')]],
    [
      'one name as file and link',
      /two different things/,
      [entry('a', '0'), entry('a', '2', { target: 'b' })],
    ],
    ['a file as a directory', /through a link or a file/, [entry('a', '0'), entry('a/b', '0')]],
    ['a name that is too long', /impossible name/, [pax({ path: 'n'.repeat(256) }), entry('x', '0')]],
    ['a path that is too long', /impossible name/, [pax({ path: 'd/'.repeat(40_000) }), entry('x', '0')]],
    ['a name with a NUL', /impossible name/, [pax({ path: 'a\0b' }), entry('x', '0')]],
    ['a link to nothing', /impossible target/, [entry('l', '2')]],
    ['a size of exabytes', /impossible size/, [pax({ size: '4611686018427387904' }), entry('x', '0')]],
    ['a size of terabytes', /does not fit/, [pax({ size: '8000000000000000' }), entry('x', '0')]],
    ['a negative size', /impossible size|cut short|no tar header/, [pax({ size: '-5' }), entry('x', '0')]],
    [
      'parts that overlap',
      /contradicts itself/,
      [
        pax({ 'GNU.sparse.size': '10', 'GNU.sparse.map': '0,3,2,3' }),
        entry('x', '0', { data: Buffer.from('abcdef') }),
      ],
    ],
    [
      'parts beyond its end',
      /is not true/,
      [
        pax({ 'GNU.sparse.size': '4', 'GNU.sparse.map': '2,6' }),
        entry('x', '0', { data: Buffer.from('abcdef') }),
      ],
    ],
    [
      'parts of other length than its data',
      /is not true/,
      [
        pax({ 'GNU.sparse.size': '10', 'GNU.sparse.map': '0,2' }),
        entry('x', '0', { data: Buffer.from('abcdef') }),
      ],
    ],
    ['an unknown type', /not supported/, [entry('x', 'Z')]],
    ['an extended header that lies', /does not parse/, [entry('x', 'x', { data: Buffer.from('99 a=b\n') })]],
    ['an extended header of gigabytes', /too long/, [entry('x', 'x', { size: 2 ** 31 })]],
    [
      'records for all entries without end',
      /too many records for all entries/,
      Array.from({ length: 300 }, (_, index) => {
        const text = `comment${index}=x\n`
        const length = text.length + 4 > 99 ? text.length + 4 : text.length + 3
        return entry('g', 'g', { data: Buffer.from(`${length} ${text}`) })
      }),
    ],
    ['a user that there cannot be', /not a user/, [pax({ uid: '4294967295' }), entry('x', '0')]],
    ['no header', /no tar header/, [Buffer.alloc(512, 'x')]],
  ]

  it.each(hostile)('is refused, with nothing left: %s', (_title, refusal, entries) => {
    const root = folder('root')
    writeFileSync(join(root, 'before'), 'kept')
    const bytes = Buffer.concat([entry('first', '0', { data: Buffer.from('first') }), ...entries, end])
    const outside = readdirSync(dir).length
    expect(() => unpacked(bytes, root)).toThrow(refusal)
    expect(readdirSync(root)).toEqual(['before'])
    // the archive itself
    expect(readdirSync(dir).length).toBe(outside + 1)
  })

  it('is unpacked up to a number of entries, in bounded time', () => {
    const root = folder('root')
    const many = Buffer.concat([...Array.from({ length: 2000 }, (_, index) => entry(`f${index}`, '0')), end])
    expect(() => unpacked(many, root, { maxEntries: 1999 })).toThrow('is one of more than 1999')
    expect(readdirSync(root)).toEqual([])
    expect(unpacked(many, root, { maxEntries: 2000 })).toEqual({ entries: 2000, bytes: 0 })
  })

  it('may have one name ten thousand times', () => {
    const root = folder('root')
    const times = 10_000
    const again = entry('a', '0', { data: Buffer.from('x') })
    const bytes = zstdCompressSync(Buffer.concat([...Array.from({ length: times }, () => again), end]), {
      params: { [constants.ZSTD_c_compressionLevel]: 1 },
    })
    expect(bytes.length).toBeLessThan(times)
    expect(unpacked(bytes, root).entries).toBe(times)
    expect(readdirSync(root)).toEqual(['a'])
  })

  it('grows no larger than it may, although it says so only in the course of it', () => {
    const root = folder('root')
    const zeros = entry('zeros', '0', { data: Buffer.alloc(4 << 20) })
    const second = entry('more', '0', { data: Buffer.alloc(4 << 20) })
    const bomb = zstdCompressSync(Buffer.concat([zeros, second, end]))
    expect(bomb.length).toBeLessThan(10_000)
    expect(() => unpacked(bomb, root, { maxSize: 6 << 20 })).toThrow('larger than 6291456 bytes')
    expect(readdirSync(root)).toEqual([])
  })
})
