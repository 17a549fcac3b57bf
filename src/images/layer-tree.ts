/**
 * A layer's files as overlayfs wants them below. Docker's whiteouts become the kernel's: `.wh.x` a character device 0:0
 * called x, `.wh..wh..opq` the attribute trusted.overlay.opaque of its directory.
 *
 * The archive may be hostile. No entry leaves the tree: not by its name, not by a link's target, not through a link that
 * an earlier entry has made. Nobody else writes to the tree meanwhile, so that looking first and acting later is safe.
 */
import {
  chmodSync,
  closeSync,
  constants,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  rmSync,
  type Stats,
  statfsSync,
  symlinkSync,
  unlinkSync,
  write,
  writeSync,
} from 'node:fs'
import { promisify } from 'node:util'
import { TsnetError } from '../errors.ts'
import { SyscallError } from '../sys/errno.ts'
import { makeBlockDevice, makeCharacterDevice, makeFifo, setModified } from '../sys/file.ts'
import { getXattr, listXattrs, setXattr } from '../sys/xattr.ts'
import type { LayerEntry } from './tar-entry.ts'

const opaqueAttribute = 'trusted.overlay.opaque'
const opaqueMark = Buffer.from('y')
const whiteoutPrefix = '.wh.'
const opaqueWhiteout = '.wh..wh..opq'
/** Other marks of aufs, which have no meaning elsewhere. */
const whiteoutMetaPrefix = '.wh..wh.'

const mostEntries = 2_000_000
/** MAXSYMLINKS of the kernel */
const mostLinks = 40
/** PATH_MAX and NAME_MAX of <linux/limits.h> */
const longestPath = 4095
const longestName = 255
/** Content beyond this is written by the thread pool, so that a slow disk does not hold up the daemon. */
const smallFile = 1 << 20
/** Content beyond this is compared with the free space before it is written. */
const largeFile = 64 << 20

const writeAsync = promisify(write)

function refuse(name: string, problem: string): TsnetError {
  return new TsnetError('invalid', 'layer-refused', `layer entry "${name}" ${problem}`)
}

function isWhiteout(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0
}

/** Names of an entry's path below the root, which an absolute one starts from too (as images by ko have them). Throws for those that lead out by `..`. */
function splitName(name: string): string[] {
  if (name.includes('\0') || name.length > longestPath)
    throw refuse(name.slice(0, 80), 'has an impossible name')
  const parts: string[] = []
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue
    if (part.length > longestName) throw refuse(name.slice(0, 80), 'has an impossible name')
    if (part !== '..') parts.push(part)
    else if (parts.pop() === undefined) throw refuse(name, 'leads out of the layer')
  }
  return parts
}

const join = (directory: string, name: string): string => (directory === '' ? name : `${directory}/${name}`)

export class LayerTree {
  readonly #root: string
  readonly #parents: readonly string[]
  /** Directories that are known to be real ones. */
  readonly #directories = new Set([''])
  /** Making an entry changes its directory's time: these are set last. */
  readonly #directoryTimes = new Map<string, bigint>()
  #entries = 0
  #size = 0

  /** `root` is an empty directory; `parents` are the directories of the layers below, top first. */
  constructor(root: string, parents: readonly string[]) {
    this.#root = root
    this.#parents = parents
  }

  /** bytes of all files */
  get size(): number {
    return this.#size
  }

  /** Makes one entry; `body` is a file's content. Throws kind 'invalid' for a hostile one. */
  async add(entry: LayerEntry, body: AsyncIterable<Buffer>): Promise<void> {
    if (++this.#entries > mostEntries) throw refuse(entry.name, `is one of more than ${mostEntries}`)
    const parts = splitName(entry.name)
    const name = parts.pop()
    if (name === undefined) {
      if (entry.type !== 'directory') throw refuse(entry.name, 'stands for the root, but is not a directory')
      this.#applyAttributes('', entry)
      return
    }
    const directory = this.#enter(parts, entry.name)
    if (name === opaqueWhiteout) this.#setOpaque(directory)
    else if (name.startsWith(whiteoutMetaPrefix)) return
    else if (name.startsWith(whiteoutPrefix))
      this.#whiteOut(directory, name.slice(whiteoutPrefix.length), entry)
    else await this.#make(join(directory, name), entry, body)
  }

  /** To be called once, after the last entry. */
  finish(): void {
    for (const [path, time] of this.#directoryTimes) {
      if (this.#stat(path)?.isDirectory()) setModified(this.#at(path), time)
    }
  }

  #at(path: string): Buffer {
    return Buffer.concat([Buffer.from(`${this.#root}/`), Buffer.from(path, 'latin1')])
  }

  #stat(path: string): Stats | undefined {
    return statIn(this.#root, path)
  }

  /**
   * The real path of a directory, made where it is missing. A link on the way is followed as long as it stays inside:
   * archives put together from several may write to `lib/x` after `lib -> usr/lib`.
   */
  #enter(parts: readonly string[], entryName: string): string {
    const todo = parts.toReversed()
    let path = ''
    let links = 0
    for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
      if (part === '..') {
        if (path === '') throw refuse(entryName, 'goes through a link that leads out of the layer')
        path = path.slice(0, Math.max(0, path.lastIndexOf('/')))
        continue
      }
      const next = join(path, part)
      const stats = this.#directories.has(next) ? null : this.#stat(next)
      if (stats?.isSymbolicLink()) {
        if (++links > mostLinks) throw refuse(entryName, 'goes through too many links')
        todo.push(...this.#linkParts(next, entryName))
        continue
      }
      if (stats === undefined || (stats !== null && isWhiteout(stats))) this.#makeMissing(next, stats)
      else if (stats?.isDirectory() === false)
        throw refuse(entryName, 'goes through a file as if it were a directory')
      this.#directories.add(next)
      path = next
    }
    return path
  }

  /** A link's target, last part first. */
  #linkParts(path: string, entryName: string): string[] {
    const target = readlinkSync(this.#at(path), { encoding: 'latin1' })
    if (target.startsWith('/')) throw refuse(entryName, 'goes through a link that leads out of the layer')
    return target
      .split('/')
      .filter((part) => part !== '' && part !== '.')
      .reverse()
  }

  /**
   * A directory that the archive does not mention. What lies below it must show through unchanged, so that it takes
   * owner, mode and time from there.
   */
  #makeMissing(path: string, whiteout: Stats | undefined): void {
    if (whiteout !== undefined) unlinkSync(this.#at(path))
    mkdirSync(this.#at(path), 0o755)
    chmodSync(this.#at(path), 0o755)
    if (whiteout !== undefined) {
      this.#setOpaque(path)
      return
    }
    const model = this.#findBelow(path)
    if (model === null) return
    const stats = lstatSync(model, { bigint: true })
    lchownSync(this.#at(path), Number(stats.uid), Number(stats.gid))
    chmodSync(this.#at(path), Number(stats.mode) & 0o7777)
    for (const name of listXattrs(model)) {
      const value = name.startsWith('trusted.') ? null : getXattr(model, name)
      if (value !== null) setXattr(this.#at(path), name, value)
    }
    this.#directoryTimes.set(path, stats.mtimeNs)
  }

  /** The directory that the layers below show at a path, or null. */
  #findBelow(path: string): Buffer | null {
    for (const parent of this.#parents) {
      const stats = statIn(parent, path)
      if (stats === undefined) continue
      return stats.isDirectory()
        ? Buffer.concat([Buffer.from(`${parent}/`), Buffer.from(path, 'latin1')])
        : null
    }
    return null
  }

  #setOpaque(directory: string): void {
    setXattr(this.#at(directory), opaqueAttribute, opaqueMark)
  }

  /** A whiteout hides what is below, never what the same layer brings: a directory of this layer becomes opaque. */
  #whiteOut(directory: string, name: string, entry: LayerEntry): void {
    if (name === '' || name === '.' || name === '..') throw refuse(entry.name, 'is a whiteout of nothing')
    const path = join(directory, name)
    const present = this.#stat(path)
    if (present?.isDirectory()) this.#setOpaque(path)
    else if (present === undefined) makeCharacterDevice(this.#at(path), 0, 0, 0)
  }

  async #make(path: string, entry: LayerEntry, body: AsyncIterable<Buffer>): Promise<void> {
    const source = entry.type === 'link' ? this.#linkSource(entry) : ''
    // A second entry for one file may be a link to itself.
    if (entry.type === 'link' && source === path) return
    const present = this.#stat(path)
    const isMerge = present?.isDirectory() === true && entry.type === 'directory'
    if (present !== undefined && !isMerge) this.#clear(path, present)
    if (entry.type === 'link') {
      linkSync(this.#at(source), this.#at(path))
      return
    }
    if (!isMerge) await this.#create(path, entry, body)
    this.#applyAttributes(path, entry)
    if (entry.type === 'directory' && present !== undefined && isWhiteout(present)) this.#setOpaque(path)
  }

  #clear(path: string, present: Stats): void {
    if (present.isDirectory()) {
      rmSync(this.#at(path), { recursive: true })
      this.#directories.clear()
      this.#directories.add('')
    } else unlinkSync(this.#at(path))
  }

  #linkSource(entry: LayerEntry): string {
    const parts = splitName(entry.target)
    const name = parts.pop()
    if (name === undefined) throw refuse(entry.name, 'is a hard link to the root')
    const source = join(this.#enter(parts, entry.name), name)
    const stats = this.#stat(source)
    if (stats === undefined || stats.isDirectory()) {
      throw refuse(entry.name, `is a hard link to "${entry.target}", which is no file of the layer`)
    }
    return source
  }

  async #create(path: string, entry: LayerEntry, body: AsyncIterable<Buffer>): Promise<void> {
    const at = this.#at(path)
    switch (entry.type) {
      case 'directory':
        mkdirSync(at, 0o700)
        this.#directories.add(path)
        break
      case 'symlink':
        if (entry.target === '') throw refuse(entry.name, 'is a link to nothing')
        symlinkSync(Buffer.from(entry.target, 'latin1'), at)
        break
      case 'fifo':
        makeFifo(at, 0o600)
        break
      case 'character-device':
        makeCharacterDevice(at, 0o600, entry.major, entry.minor)
        break
      case 'block-device':
        makeBlockDevice(at, 0o600, entry.major, entry.minor)
        break
      default:
        await this.#writeFile(at, entry, body)
    }
  }

  async #writeFile(at: Buffer, entry: LayerEntry, body: AsyncIterable<Buffer>): Promise<void> {
    if (entry.size > largeFile) this.#checkSpace(entry)
    const fd = openSync(
      at,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      0o600,
    )
    try {
      for await (const chunk of body) await writeAll(fd, chunk, entry.size > smallFile)
    } finally {
      closeSync(fd)
    }
    this.#size += entry.size
  }

  #checkSpace(entry: LayerEntry): void {
    const { bavail, bsize } = statfsSync(this.#root)
    if (entry.size <= bavail * bsize) return
    throw new TsnetError(
      'unavailable',
      'no-space',
      `layer entry "${entry.name}" needs ${entry.size} bytes, but ${bavail * bsize} are free at ${this.#root}: no space left on device`,
    )
  }

  /** The order is the kernel's: chown(2) takes away set-user-id bits and capabilities. */
  #applyAttributes(path: string, entry: LayerEntry): void {
    const at = this.#at(path)
    lchownSync(at, entry.uid, entry.gid)
    if (entry.type !== 'symlink') chmodSync(at, entry.mode)
    for (const [name, value] of entry.xattrs) applyXattr(at, name, value)
    if (entry.type === 'directory') this.#directoryTimes.set(path, entry.mtime)
    else setModified(at, entry.mtime)
  }
}

/** lstat(2) below a root; undefined when there is nothing. */
function statIn(root: string, path: string): Stats | undefined {
  const at = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')])
  try {
    return lstatSync(at, { throwIfNoEntry: false })
  } catch (error) {
    // A layer below may have a file where this one has a directory.
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined
    throw error
  }
}

async function writeAll(fd: number, chunk: Buffer, isLarge: boolean): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    done += isLarge
      ? (await writeAsync(fd, chunk, done, chunk.length - done)).bytesWritten
      : writeSync(fd, chunk, done, chunk.length - done)
  }
}

/** Attributes that steer overlayfs or belong to the host's policy are not the image's to set. */
const foreignAttributes = /^(?:trusted\.overlay\.|user\.overlay\.|trusted\.tsnet\.|security\.selinux$)/

function applyXattr(at: Buffer, name: string, value: Buffer): void {
  if (foreignAttributes.test(name)) return
  try {
    setXattr(at, name, value)
  } catch (error) {
    // A lost file capability breaks programs; other attributes are passed over where the file system has none.
    const isOptional = error instanceof SyscallError && ['EOPNOTSUPP', 'EPERM'].includes(error.errnoName)
    if (!isOptional || name === 'security.capability') throw error
  }
}
