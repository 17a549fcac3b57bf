import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestOf } from '../../../src/images/digest.ts'
import { makeCharacterDevice, makeFifo } from '../../../src/sys/file.ts'
import { getXattr, setXattr } from '../../../src/sys/xattr.ts'
import { anyDigest, archiveOf, type Item, LayerLab } from './lab.ts'

let lab: LayerLab
beforeEach(() => {
  lab = new LayerLab()
})
afterEach(() => lab[Symbol.dispose]())

/** Everything about a tree that lstat and readlink tell, one line a file. */
function describeTree(directory: string): string[] {
  const format = '%P\\t%M\\t%U:%G\\t%n\\t%s\\t%T@\\t%l\\n'
  const output = execFileSync('find', [directory, '-mindepth', '1', '-printf', format], {
    encoding: 'latin1',
  })
  // A directory's size is the file system's own affair.
  return output
    .split('\n')
    .map((line) => line.replace(/^(.*\td\S*\t\S+\t\d+)\t\d+/, '$1'))
    .sort()
}

describe('a tree packed by GNU tar', () => {
  // Bytes above 127 in an attribute that a decoder of text would lose: CAP_SETUID, CAP_NET_RAW
  const capability = Buffer.from('0100000280200000000000000000000000000000', 'hex')

  function makeSource(): string {
    const source = join(lab.directory, 'source')
    mkdirSync(join(source, 'a/b'), { recursive: true })
    const script = `
      echo hello > a/b/file; ln a/b/file a/hard; ln -s b/file a/soft; ln -s /nowhere dangling
      echo x > $'not utf-8 \\xff\\xe9'; printf '' > empty; head -c 3000000 /dev/urandom > large
      echo s > suid; chown 1234:5678 suid; chmod 4751 suid; chmod 1777 a; chown 70000:3000000 a/b
      echo c > capable; touch -d @1234567890.123456789 a/b/file; touch -h -d @-5 dangling
      mkdir -p "$(printf 'long%.0s' $(seq 50))/$(printf 'name%.0s' $(seq 50))"; touch -d @99 a
    `
    execFileSync('bash', ['-c', script], { cwd: source })
    makeFifo(join(source, 'pipe'), 0o640)
    makeCharacterDevice(join(source, 'null'), 0o666, 1, 3)
    setXattr(join(source, 'capable'), 'security.capability', capability)
    setXattr(join(source, 'capable'), 'user.note', Buffer.from([0xff, 0x00, 0x3d, 0x0a]))
    return source
  }

  test.each([
    ['plain', 'posix', (tar: Buffer) => tar],
    ['compressed by gzip', 'posix', gzipSync],
    ['compressed by zstd', 'posix', zstdCompressSync],
    ['compressed by zstd in two frames', 'posix', inTwoFrames],
  ])('is extracted as it was when it is %s', async (_name, format, compress) => {
    const source = makeSource()
    const options = ['--xattrs', '--xattrs-include=*', `--format=${format}`, '-C', source, '-c', '.']
    const tar = execFileSync('tar', options, { maxBuffer: 1 << 28 })
    const directory = await lab.extract(compress(tar), { diffId: digestOf(tar) })
    expect(describeTree(directory)).toEqual(describeTree(source))
    expect(
      execFileSync('diff', ['-r', '--no-dereference', join(source, 'a'), join(directory, 'a')]),
    ).toHaveLength(0)
    expect(readFileSync(join(directory, 'large')).equals(readFileSync(join(source, 'large')))).toBe(true)
    expect(getXattr(join(directory, 'capable'), 'security.capability')).toEqual(capability)
    expect(getXattr(join(directory, 'capable'), 'user.note')).toEqual(Buffer.from([0xff, 0x00, 0x3d, 0x0a]))
    expect(lstatSync(join(directory, 'null')).rdev).toBe(0x103)
  })

  function inTwoFrames(tar: Buffer): Buffer {
    return Buffer.concat([zstdCompressSync(tar.subarray(0, 5000)), zstdCompressSync(tar.subarray(5000))])
  }

  test('is extracted as it was from the old GNU format with its long names', async () => {
    const source = makeSource()
    execFileSync('touch', ['-h', '-d', '@5', 'dangling'], { cwd: source })
    const tar = execFileSync('tar', ['--format=gnu', '-C', source, '-c', '.'], { maxBuffer: 1 << 28 })
    const directory = await lab.extract(tar)
    // This format has whole seconds.
    const whole = (lines: string[]): string[] => lines.map((line) => line.replace(/\.\d+\t/, '\t'))
    expect(whole(describeTree(directory))).toEqual(whole(describeTree(source)))
  })
})

describe('whiteouts', () => {
  test('hide what is below when overlayfs stacks the layers', async () => {
    const below = await lab.extractItems([
      { name: 'gone', content: 'old' },
      { name: 'stays', content: 'old' },
      { name: 'dir/', type: 'directory' },
      { name: 'dir/old', content: 'old' },
      { name: 'replaced/', type: 'directory' },
      { name: 'replaced/old', content: 'old' },
    ])
    const above = await lab.extractItems(
      [
        { name: '.wh.gone', content: '' },
        { name: 'dir/.wh..wh..opq', content: '' },
        { name: 'dir/new', content: 'new' },
        { name: '.wh.replaced', content: '' },
        { name: 'replaced/', type: 'directory' },
        { name: 'replaced/new', content: 'new' },
        { name: '.wh..wh.plnk/', type: 'directory' },
      ],
      { below: [basename(below)] },
    )
    expect(lstatSync(join(above, 'gone')).rdev).toBe(0)
    expect(getXattr(join(above, 'dir'), 'trusted.overlay.opaque')?.toString()).toBe('y')
    expect(listMerged([above, below])).toEqual(['dir', 'dir/new', 'replaced', 'replaced/new', 'stays'])
  })

  test('do not hide what the same layer brings, in whatever order', async () => {
    const below = await lab.extractItems([
      { name: 'file', content: 'old' },
      { name: 'dir/', type: 'directory' },
      { name: 'dir/old', content: 'old' },
    ])
    const above = await lab.extractItems([
      { name: 'file', content: 'new' },
      { name: '.wh.file', content: '' },
      { name: 'dir/new', content: 'new' },
      { name: '.wh.dir', content: '' },
    ])
    expect(listMerged([above, below])).toEqual(['dir', 'dir/new', 'file'])
    expect(readFileSync(join(above, 'file'), 'utf8')).toBe('new')
  })

  /** The names that an overlay of the layers shows, top first; mounted in a mount namespace of its own. */
  function listMerged(layers: readonly string[]): string[] {
    const [merged, upper, work] = ['merged', 'upper', 'work'].map((name) => {
      const path = join(lab.directory, name)
      mkdirSync(path, { recursive: true })
      return path
    })
    const options = `lowerdir=${layers.join(':')},upperdir=${upper},workdir=${work}`
    const script = 'mount -t overlay overlay -o "$0" "$1" && find "$1" -mindepth 1 -printf "%P\\n"'
    const output = execFileSync('unshare', ['-m', 'sh', '-c', script, options, merged!], { encoding: 'utf8' })
    return output.trim().split('\n').sort()
  }
})

describe('a directory that the archive does not mention', () => {
  test('looks as it does in the layers below', async () => {
    const below = await lab.extractItems([
      { name: 'home/', type: 'directory', mode: 0o711, uid: 7, gid: 8 },
      { name: 'home/user/', type: 'directory', mode: 0o2700, uid: 1000, gid: 1001, mtime: new Date(5000) },
    ])
    const above = await lab.extractItems([{ name: 'home/user/file', content: '' }], {
      below: [basename(below)],
    })
    const stats = lstatSync(join(above, 'home/user'))
    expect([stats.mode & 0o7777, stats.uid, stats.gid, stats.mtimeMs]).toEqual([0o2700, 1000, 1001, 5000])
    expect(lstatSync(join(above, 'home')).mode & 0o7777).toBe(0o711)
  })

  test('belongs to root and is open to all when there is none below', async () => {
    const directory = await lab.extractItems([{ name: 'x/y/file', content: '' }])
    const stats = lstatSync(join(directory, 'x/y'))
    expect([stats.mode & 0o7777, stats.uid, stats.gid]).toEqual([0o755, 0, 0])
  })
})

describe('an archive with an entry twice', () => {
  test('has the later one win, and merges directories', async () => {
    const directory = await lab.extractItems([
      { name: 'a/', type: 'directory' },
      { name: 'a/file', content: 'first' },
      { name: 'a/file', content: 'second' },
      { name: 'a/', type: 'directory', mode: 0o700 },
      { name: 'b/', type: 'directory' },
      { name: 'b/lost', content: '' },
      { name: 'b', type: 'symlink', linkname: 'a' },
    ])
    expect(readFileSync(join(directory, 'a/file'), 'utf8')).toBe('second')
    expect(lstatSync(join(directory, 'a')).mode & 0o777).toBe(0o700)
    expect(readlinkSync(join(directory, 'b'))).toBe('a')
  })

  test('may write through a link of its own that stays inside', async () => {
    const directory = await lab.extractItems([
      { name: 'usr/lib/', type: 'directory' },
      { name: 'lib', type: 'symlink', linkname: 'usr/lib' },
      { name: 'lib/x/file', content: 'here' },
      { name: 'usr/up', type: 'symlink', linkname: '../usr/lib' },
      { name: 'usr/up/other', content: 'there' },
    ])
    expect(readFileSync(join(directory, 'usr/lib/x/file'), 'utf8')).toBe('here')
    expect(readFileSync(join(directory, 'usr/lib/other'), 'utf8')).toBe('there')
  })
})

describe('an absolute name', () => {
  test('starts from the root of the layer', async () => {
    const directory = await lab.extractItems([
      { name: '/ko-app/server', content: 'x' },
      { name: 'link', type: 'link', linkname: '/ko-app/server' },
    ])
    expect(readFileSync(join(directory, 'ko-app/server'), 'utf8')).toBe('x')
    expect(lstatSync(join(directory, 'link')).nlink).toBe(2)
  })
})

describe('a hostile archive', () => {
  const outside = (): string => join(lab.directory, 'outside')
  const cases: [string, () => Item[], RegExp][] = [
    ['climbs out by ..', () => [{ name: '../../outside/file', content: 'x' }], /leads out of the layer/],
    [
      'climbs out from within',
      () => [{ name: 'a/../../../outside/file', content: 'x' }],
      /leads out of the layer/,
    ],
    [
      'writes through an absolute link',
      () => [
        { name: 'evil', type: 'symlink', linkname: outside() },
        { name: 'evil/file', content: 'x' },
      ],
      /through a link that leads out/,
    ],
    [
      'writes through a climbing link',
      () => [
        { name: 'a/', type: 'directory' },
        { name: 'a/evil', type: 'symlink', linkname: '../../../outside' },
        { name: 'a/evil/file', content: 'x' },
      ],
      /through a link that leads out/,
    ],
    [
      'writes through a link to a link',
      () => [
        { name: 'one', type: 'symlink', linkname: '..' },
        { name: 'two', type: 'symlink', linkname: 'one/..' },
        { name: 'two/outside/file', content: 'x' },
      ],
      /through a link that leads out/,
    ],
    [
      'makes links that never end',
      () => [
        { name: 'one', type: 'symlink', linkname: 'two' },
        { name: 'two', type: 'symlink', linkname: 'one' },
        { name: 'one/file', content: 'x' },
      ],
      /too many links/,
    ],
    [
      'removes through a link',
      () => [
        { name: 'evil', type: 'symlink', linkname: outside() },
        { name: 'evil/.wh.precious', content: '' },
      ],
      /through a link that leads out/,
    ],
    [
      'links to a file outside',
      () => [{ name: 'evil', type: 'link', linkname: '../../outside/precious' }],
      /leads out of the layer/,
    ],
    [
      'links to a file outside',
      () => [{ name: 'evil', type: 'link', linkname: `${outside()}/precious` }],
      /no file of the layer/,
    ],
    [
      'links through a link',
      () => [
        { name: 'evil', type: 'symlink', linkname: outside() },
        { name: 'file', type: 'link', linkname: 'evil/precious' },
      ],
      /through a link that leads out/,
    ],
    ['links to nothing', () => [{ name: 'a', type: 'link', linkname: 'missing' }], /no file of the layer/],
    ['whites out its parent', () => [{ name: 'a/.wh...', content: '' }], /whiteout of nothing/],
    ['whites out nothing', () => [{ name: 'a/.wh.', content: '' }], /whiteout of nothing/],
    ['replaces its root', () => [{ name: './', type: 'symlink', linkname: 'x' }], /stands for the root/],
    [
      'has a file for a directory',
      () => [
        { name: 'f', content: '' },
        { name: 'f/g', content: '' },
      ],
      /as if it were/,
    ],
    ['has a name of 300 bytes', () => [{ name: 'n'.repeat(300), content: '' }], /impossible name/],
    [
      'has a sparse file',
      () => [{ name: 's', content: '', pax: { 'GNU.sparse.major': '1' } }],
      /not supported/,
    ],
    ['has a broken id', () => [{ name: 's', content: '', pax: { uid: '-1' } }], /not a user or group id/],
    ['has a broken time', () => [{ name: 's', content: '', pax: { mtime: 'soon' } }], /is not a time/],
  ]

  test.each(cases)('which %s is refused, and nothing is left', async (_title, items, message) => {
    mkdirSync(outside())
    writeFileSync(join(outside(), 'precious'), 'precious')
    const hostile = [{ name: 'innocent', content: 'x' }, ...items()]
    await expect(lab.extractItems(hostile)).rejects.toThrow(message)
    expect(readdirSync(outside())).toEqual(['precious'])
    expect(readFileSync(join(outside(), 'precious'), 'utf8')).toBe('precious')
    expect(lstatSync(join(outside(), 'precious')).nlink).toBe(1)
    expect(readdirSync(lab.root)).toEqual([])
  })

  test('cannot steer overlayfs by its attributes', async () => {
    const pax = { 'SCHILY.xattr.trusted.overlay.redirect': '/etc', 'SCHILY.xattr.user.fine': 'yes' }
    const directory = await lab.extractItems([{ name: 'd/', type: 'directory', pax }])
    expect(getXattr(join(directory, 'd'), 'trusted.overlay.redirect')).toBeNull()
    expect(getXattr(join(directory, 'd'), 'user.fine')?.toString()).toBe('yes')
  })

  test('that claims more than the disk has is refused before it is written', async () => {
    const archive = await archiveOf([{ name: 'huge', content: 'x' }])
    // The size field, in base 256, and the checksum after it: 2^60 bytes
    archive.fill(0, 124, 136)
    archive[124] = 0x80
    archive[128] = 0x10
    archive.fill(' ', 148, 156)
    const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0)
    archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    await expect(lab.extract(archive)).rejects.toThrow(/no space left on device/)
    expect(readdirSync(lab.root)).toEqual([])
  })
})

describe('a layer', () => {
  const items = [{ name: 'file', content: 'x'.repeat(1000) }]

  test('whose content is not its diff id is refused, and nothing is left', async () => {
    await expect(lab.extractItems(items, { diffId: anyDigest() })).rejects.toThrow(
      "layers from manifest don't match image configuration",
    )
    expect(readdirSync(lab.root)).toEqual([])
  })

  test.each([
    ['plain', (tar: Buffer) => tar],
    ['compressed by gzip', gzipSync],
    ['compressed by zstd', zstdCompressSync],
  ])('that is cut short while %s is refused, and nothing is left', async (_name, compress) => {
    const tar = await archiveOf(items)
    const whole = compress(tar)
    const cut = whole.subarray(0, Math.floor(whole.length / 2))
    await expect(lab.extract(cut, { diffId: digestOf(tar) })).rejects.toMatchObject({ name: 'TsnetError' })
    expect(readdirSync(lab.root)).toEqual([])
  })

  test('compressed by something else is refused by the name of that', async () => {
    const xz = execFileSync('xz', ['-c'], { input: await archiveOf(items) })
    await expect(lab.extract(xz)).rejects.toThrow('compressed by xz, which is not supported')
  })

  test('is not extracted further once its request is aborted, and nothing is left', async () => {
    const signal = AbortSignal.abort(new Error('gone'))
    await expect(lab.extractItems(items, { signal })).rejects.toThrow()
    expect(readdirSync(lab.root)).toEqual([])
  })

  test('is found by its chain id, with its size, under the first 12 digits of it', async () => {
    const chainId = anyDigest()
    const directory = await lab.extractItems(items, { chainId })
    expect(basename(directory)).toBe(chainId.slice(7, 19))
    expect(lab.store.find(chainId)).toEqual({ name: chainId.slice(7, 19), size: 1000 })
    expect(lab.store.find(anyDigest())).toBeNull()
  })

  test('whose name is taken by another chain gets a longer one', async () => {
    const one = anyDigest()
    const two = `${one.slice(0, 20)}${createHash('sha256').update(one).digest('hex')}`.slice(
      0,
      71,
    ) as typeof one
    await lab.extractItems(items, { chainId: one })
    const directory = await lab.extractItems(items, { chainId: two })
    expect(basename(directory).length).toBeGreaterThan(12)
    expect(lab.store.find(two)?.name).toBe(basename(directory))
    expect(lab.store.find(one)?.name).toBe(one.slice(7, 19))
  })

  test('goes when it is not wanted, as does what a crash has left', async () => {
    const kept = await lab.extractItems(items)
    const unwanted = await lab.extractItems(items)
    mkdirSync(join(lab.root, '.new-0123456789abcdef/deep'), { recursive: true })
    await lab.store.retain(new Set([basename(kept)]))
    expect(readdirSync(lab.root)).toEqual([basename(kept)])
    expect(existsSync(unwanted)).toBe(false)
  })
})

test('a full disk leaves nothing, and the error says so', () => {
  const program = `
    import { writeFileSync, readdirSync } from 'node:fs'
    import { openLayers } from '${join(import.meta.dirname, '../../../src/images/layers.ts')}'
    import { archiveOf } from '${join(import.meta.dirname, 'lab.ts')}'
    import { digestOf } from '${join(import.meta.dirname, '../../../src/images/digest.ts')}'
    const archive = await archiveOf([{ name: 'a', content: 'x'.repeat(3 << 20) }, { name: 'b', content: 'y'.repeat(3 << 20) }])
    writeFileSync('${archivePath()}', archive)
    const layers = openLayers(process.argv[1] + '/layers')
    const digest = digestOf(archive)
    try {
      await layers.extract({ chainId: digest, diffId: digest, below: [], archive: '${archivePath()}', onBytes() {}, signal: new AbortController().signal })
    } catch (error) {
      console.log(JSON.stringify([error.kind, error.code, error.message, readdirSync(process.argv[1] + '/layers')]))
    }
  `
  const mounted = join(lab.directory, 'small')
  mkdirSync(mounted)
  const script = 'mount -t tmpfs -o size=4m tmpfs "$1" && exec "$0" --input-type=module -e "$2" "$1"'
  const output = execFileSync('unshare', ['-m', 'sh', '-c', script, process.execPath, mounted, program], {
    encoding: 'utf8',
  })
  expect(JSON.parse(output)).toEqual([
    'unavailable',
    'no-space',
    expect.stringContaining('no space left on device'),
    [],
  ])

  function archivePath(): string {
    return join(lab.directory, 'archive')
  }
})
