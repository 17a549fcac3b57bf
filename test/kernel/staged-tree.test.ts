/** What a kill leaves at any call of a replacement, and how it is repaired. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { copyTree } from '../../src/sys/copy-tree.ts'
import { fillEmptyTree, isTreeEmpty, replaceTree, settleStagedTree } from '../../src/sys/staged-tree.ts'
import { listXattrs } from '../../src/sys/xattr.ts'
import { makeStage } from '../helpers/staged.ts'

let root = ''
let wanted = ''
let volume = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tsnet-staged-'))
  wanted = join(root, 'wanted')
  volume = join(root, 'volume')
  mkdirSync(join(wanted, 'new/inner'), { recursive: true })
  mkdirSync(volume)
  for (const name of ['both', 'new/inner/file']) writeFileSync(join(wanted, name), 'new')
  chmodSync(wanted, 0o1777)
})

afterEach(() => rmSync(root, { recursive: true }))

function fillOld(): void {
  mkdirSync(join(volume, 'old'))
  for (const name of ['both', 'old/file']) writeFileSync(join(volume, name), 'old')
}

const listing = (path: string): string[] => readdirSync(path, { recursive: true }).map(String).sort()

test('a replacement leaves nothing of the old content and none of its own names', () => {
  fillOld()
  replaceTree(volume, (staged) => copyTree(wanted, staged))
  expect(listing(volume)).toEqual(['both', 'new', 'new/inner', 'new/inner/file'])
  expect(readFileSync(join(volume, 'both'), 'utf8')).toBe('new')
  expect(statSync(volume).mode & 0o7777).toBe(0o1777)
  expect(statSync(volume).mtimeMs).toBe(statSync(wanted).mtimeMs)
})

test('when the building fails the old content is there as it was', () => {
  fillOld()
  const before = listing(volume)
  const build = (): never => {
    throw new Error('no')
  }
  expect(() => replaceTree(volume, build)).toThrow('no')
  expect(listing(volume)).toEqual(before)
})

test('a directory with anything in it is not filled, one with the traces of an interrupted filling is', () => {
  mkdirSync(join(makeStage(volume, 'copying'), 'half'))
  expect(isTreeEmpty(volume)).toBe(true)
  expect(fillEmptyTree(volume, (staged) => copyTree(wanted, staged))).toBe(true)
  expect(listing(volume)).toEqual(['both', 'new', 'new/inner', 'new/inner/file'])
  rmSync(join(volume, 'both'))
  expect(fillEmptyTree(volume, (staged) => copyTree(wanted, staged))).toBe(false)
  expect(existsSync(join(volume, 'both'))).toBe(false)
})

test('what others make while it is filled is kept', () => {
  const isFilled = fillEmptyTree(volume, (staged) => {
    copyTree(wanted, staged)
    writeFileSync(join(volume, 'theirs'), 'theirs')
  })
  expect(isFilled).toBe(false)
  expect(listing(volume)).toEqual(['theirs'])
})

test('a kill before the mark of an empty stage is a trace too', () => {
  mkdirSync(join(volume, '.tsnet-copying'))
  expect(isTreeEmpty(volume)).toBe(true)
  expect(fillEmptyTree(volume, (staged) => copyTree(wanted, staged))).toBe(true)
  expect(listing(volume)).toEqual(['both', 'new', 'new/inner', 'new/inner/file'])
})

test('what users of a volume call like a stage is neither removed nor put in the place of all there is', () => {
  const names = ['copying', 'new', 'old', 'installing'].map((name) => `.tsnet-${name}`)
  fillOld()
  for (const name of names) {
    mkdirSync(join(volume, name))
    writeFileSync(join(volume, name, 'theirs'), '')
    chmodSync(join(volume, name), 0o777)
  }
  rmSync(join(volume, '.tsnet-new/theirs'))
  const [before, { mode }] = [listing(volume), statSync(volume)]
  expect(settleStagedTree(volume)).toBe(false)
  expect(fillEmptyTree(volume, (staged) => copyTree(wanted, staged))).toBe(false)
  expect(listing(volume)).toEqual(before)
  expect(statSync(volume).mode).toBe(mode)
  for (const name of ['both', 'old', ...names.slice(1)]) rmSync(join(volume, name), { recursive: true })
  expect(isTreeEmpty(volume)).toBe(false)
})

test('the mark of a stage goes neither to the directory nor into a copy', () => {
  replaceTree(volume, (staged) => copyTree(wanted, staged))
  expect(listXattrs(volume)).toEqual([])
  makeStage(join(volume, 'new'), 'copying')
  const copy = join(root, 'copy')
  mkdirSync(copy)
  copyTree(volume, copy)
  expect(listXattrs(join(copy, 'new/.tsnet-copying'))).toEqual([])
})

test('a program that has locked the directory of its data keeps nobody waiting', () => {
  fillOld()
  const fill = `
    import { fillEmptyTree } from '${join(import.meta.dirname, '../../src/sys/staged-tree.ts')}'
    console.log(fillEmptyTree(${JSON.stringify(volume)}, () => {}))`
  const locked = ['-x', volume, process.execPath, '--input-type=module', '-e', fill]
  const { stdout, signal } = spawnSync('flock', locked, { encoding: 'utf8', timeout: 20_000 })
  expect([stdout.trim(), signal]).toEqual(['false', null])
})

test('links and files of the names in use are no way out of the volume', () => {
  const outside = join(root, 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'precious'), '')
  for (const name of ['copying', 'new', 'old', 'installing'])
    symlinkSync(outside, join(volume, `.tsnet-${name}`))
  fillOld()
  settleStagedTree(volume)
  replaceTree(volume, (staged) => copyTree(wanted, staged))
  expect(listing(volume)).toEqual(['both', 'new', 'new/inner', 'new/inner/file'])
  expect(readdirSync(outside)).toEqual(['precious'])
})

test('a copy that the disk cannot take is not said to be on it', () => {
  const job = join(import.meta.dirname, '../../src/volumes/worker/sync-tree.ts')
  const script = `
    import { syncTree } from ${JSON.stringify(job)}
    try { syncTree({ path: ${JSON.stringify(wanted)} }) } catch (error) { console.log(error.message) }`
  const trace = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=syncfs', '-e', 'inject=syncfs:error=EIO']
  const node = [process.execPath, '--input-type=module', '-e', script]
  expect(spawnSync('strace', [...trace, ...node], { encoding: 'utf8' }).stdout).toContain('syncfs: EIO')
})

/** Replaces or fills in a process of its own that dies at its n-th call of `call`; returns whether it came to that. */
function dieAt(action: 'replace' | 'fill', call: string, n: number): boolean {
  const repository = join(import.meta.dirname, '../..')
  const script = `
    import { ${action === 'replace' ? 'replaceTree' : 'fillEmptyTree'} as act } from '${repository}/src/sys/staged-tree.ts'
    import { copyTree } from '${repository}/src/sys/copy-tree.ts'
    act(${JSON.stringify(volume)}, (staged) => copyTree(${JSON.stringify(wanted)}, staged))`
  const trace = [
    '-f',
    '-qq',
    '-o',
    '/dev/null',
    '-e',
    `trace=${call}`,
    '-e',
    `inject=${call}:signal=SIGKILL:when=${n}`,
  ]
  const done = spawnSync('strace', [...trace, process.execPath, '--input-type=module', '-e', script])
  if (done.error !== undefined) throw done.error
  return done.signal === 'SIGKILL' || done.status === 137
}

describe('killed at any rename, removal, new directory or mark', () => {
  for (const call of ['renameat2', 'unlinkat', 'mkdirat', 'fsetxattr']) {
    test(`all of the old or all of the new content is there after a death in ${call}`, () => {
      const seen = new Set<string>()
      for (let n = 1; ; n++) {
        rmSync(volume, { recursive: true })
        mkdirSync(volume)
        fillOld()
        const old = listing(volume)
        const died = dieAt('replace', call, n)
        settleStagedTree(volume)
        const now = listing(volume)
        const isNew = now.includes('new')
        expect(now).toEqual(isNew ? ['both', 'new', 'new/inner', 'new/inner/file'] : old)
        expect(readFileSync(join(volume, 'both'), 'utf8')).toBe(isNew ? 'new' : 'old')
        seen.add(isNew ? 'new' : 'old')
        if (!died) break
      }
      expect(seen.has('new')).toBe(true)
    })
  }

  test('an empty volume is empty or whole after a death in any rename of its filling', () => {
    for (let n = 1; ; n++) {
      rmSync(volume, { recursive: true })
      mkdirSync(volume)
      const died = dieAt('fill', 'renameat2', n)
      settleStagedTree(volume)
      expect([0, 4]).toContain(listing(volume).length)
      if (!died) break
    }
    expect(listing(volume)).toHaveLength(4)
  })
})
