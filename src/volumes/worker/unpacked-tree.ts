/**
 * Builds a tree from the entries of an archive, which may be hostile: nothing that it says leads out of the tree. Each step
 * down is by descriptor and follows no link, neither one of the archive's nor one that somebody else makes meanwhile.
 */
import { closeSync, constants, ftruncateSync, statfsSync, writeSync } from 'node:fs'
import { type ArchiveEntry, type Segment, splitName, storedSize } from '../../archives/entry.ts'
import { TsnetError } from '../../errors.ts'
import {
  type CName,
  hardLinkAt,
  makeDirectoryAt,
  makeLinkAt,
  makeNodeAt,
  openAt,
  openDirectoryAt,
  openPlaceAt,
  setMode,
  setModeAt,
  setOwner,
  setOwnerAt,
  setTimes,
  setTimesAt,
  statAt,
  statOpen,
  unlinkAt,
} from '../../sys/at.ts'
import { S_IFCHR, S_IFIFO } from '../../sys/constants/stat.ts'
import { removeXattrs } from '../../sys/copy-xattrs.ts'
import { Descent } from '../../sys/descent.ts'
import { SyscallError } from '../../sys/errno.ts'
import type { Fd } from '../../sys/fd.ts'
import { deviceNumber, modificationTime } from '../../sys/file.ts'
import { FileStatus } from '../../sys/file-status.ts'
import { getXattr, setXattr } from '../../sys/xattr.ts'
import { isHarmlessDevice } from './harmless-devices.ts'
import { refuse } from './refuse.ts'

export interface Limits {
  /** The most bytes of all files; null for what there is room for. */
  readonly maxSize: number | null
  readonly maxEntries: number
  /** The volume has a size limit: what is free there is nobody else's. */
  readonly isLimited: boolean
}

/** Longer than any path that the kernel takes at once: trees may be deeper. */
const longestPath = 65_536
/** PATH_MAX of <linux/limits.h>, without the NUL */
const longestTarget = 4095
/** How often directories are opened, for all entries together: an archive could lead to and fro through deep trees for hours. */
const mostSteps = 20_000_000
/** bytes between two looks at the free space */
const lookEvery = 16 << 20
/** What the file system keeps for others: this share of it, but no more than so many bytes. */
const reserveShare = 50
const mostReserve = 256 << 20

const defaultAcl = 'system.posix_acl_default'

/** A directory on the way to the one that is worked on. */
interface Level {
  readonly name: string
  /** What it gets when it is left, for work in it changes its time, and a default list would go over to what is made in it. */
  times: Buffer
  acl: Buffer | null
}

/** A file that is being written. */
interface OpenFile {
  readonly fd: number
  readonly entry: ArchiveEntry
  readonly parts: readonly Segment[]
  part: number
  /** bytes of the part that are written */
  done: number
}

export class UnpackedTree implements Disposable {
  readonly #root: Fd
  readonly #limits: Limits
  readonly #descent: Descent
  readonly #levels: Level[] = []
  readonly #status = new FileStatus()
  #rootTimes: Buffer | null = null
  #file: OpenFile | null = null
  #steps = 0
  #unseen = 0
  entries = 0
  /** bytes of all files */
  bytes = 0

  /** `root` is an empty directory, open. */
  constructor(root: Fd, limits: Limits) {
    this.#root = root
    this.#limits = limits
    this.#descent = new Descent(root.number)
  }

  [Symbol.dispose](): void {
    if (this.#file !== null) closeSync(this.#file.fd)
    this.#descent[Symbol.dispose]()
  }

  /** Makes an entry. A file's data is to follow. */
  add(entry: ArchiveEntry): void {
    this.#closeFile()
    if (++this.entries > this.#limits.maxEntries)
      throw refuse(entry.name, `is one of more than ${this.#limits.maxEntries}`)
    const parts = this.#partsOf(entry.name, entry)
    const name = parts.pop()
    this.#goTo(parts, entry.name)
    if (name === undefined) this.#setRoot(entry)
    else if (entry.type === 'directory') this.#addDirectory(name, entry)
    else this.#make(name, entry)
  }

  /** The next bytes of the file that was added last. */
  write(bytes: Buffer): void {
    const file = this.#file
    if (file === null) return
    this.#watchSpace(bytes.length)
    for (let at = 0; at < bytes.length; ) {
      const part = file.parts[file.part]
      if (part === undefined) throw refuse(file.entry.name, 'has more data than it says')
      const length = Math.min(bytes.length - at, part.length - file.done)
      const written = writeSync(file.fd, bytes, at, length, part.offset + file.done)
      at += written
      file.done += written
      if (file.done < part.length) continue
      file.part++
      file.done = 0
    }
  }

  /** To be called after the last entry. */
  finish(): void {
    this.#closeFile()
    while (this.#levels.length > 0) this.#leave()
    if (this.#rootTimes !== null) setTimes(this.#root.number, this.#rootTimes)
  }

  /** Of a name that could lead out nothing is taken, whether it does or not. */
  #partsOf(path: string, entry: ArchiveEntry): string[] {
    if (path.startsWith('/')) throw refuse(entry.name, `has the absolute path "${path}"`)
    if (path.split('/').includes('..')) throw refuse(entry.name, `has ".." in the path "${path}"`)
    return splitName(path, refuse, longestPath)
  }

  #setRoot(entry: ArchiveEntry): void {
    if (entry.type !== 'directory') throw refuse(entry.name, 'stands for the root, but is not a directory')
    const fd = this.#root.number
    setOwner(fd, entry.uid, entry.gid)
    setMode(fd, entry.mode)
    for (const [attribute, value] of entry.xattrs) applyXattr(fd, attribute, value)
    this.#rootTimes = modificationTime(entry.mtime)
  }

  /** Goes to a directory, which is made where the archive does not mention it. */
  #goTo(parts: readonly string[], entryName: string): void {
    let same = 0
    while (same < parts.length && this.#levels[same]?.name === parts[same]) same++
    while (this.#levels.length > same) this.#leave()
    for (const part of parts.slice(same)) {
      makeUnlessThere(() => makeDirectoryAt(this.#descent.fd, cName(part), 0o755))
      this.#enter(part, entryName)
    }
  }

  #enter(part: string, entryName: string): void {
    if (++this.#steps > mostSteps) throw refuse(entryName, 'leads to and fro through too many directories')
    const name = cName(part)
    const fd = this.#openDirectory(name, entryName)
    this.#descent.enter(name, fd)
    statOpen(fd, this.#status)
    const acl = getXattr(fd, defaultAcl)
    if (acl !== null) removeXattrs(fd)
    this.#levels.push({ name: part, times: this.#status.times, acl })
  }

  #openDirectory(name: CName, entryName: string): number {
    try {
      return openDirectoryAt(this.#descent.fd, name)
    } catch (error) {
      if (isErrno(error, 'ELOOP', 'ENOTDIR'))
        throw refuse(entryName, 'goes through a link or a file as if it were a directory')
      throw error
    }
  }

  #leave(): void {
    const level = this.#levels.pop()!
    const { fd } = this.#descent.leave()
    try {
      if (level.acl !== null) applyXattr(fd, defaultAcl, level.acl)
      setTimes(fd, level.times)
    } finally {
      closeSync(fd)
    }
  }

  #addDirectory(part: string, entry: ArchiveEntry): void {
    makeUnlessThere(() => makeDirectoryAt(this.#descent.fd, cName(part), 0o700))
    this.#enter(part, entry.name)
    const { fd } = this.#descent
    const level = this.#levels.at(-1)!
    setOwner(fd, entry.uid, entry.gid)
    setMode(fd, entry.mode)
    for (const [attribute, value] of entry.xattrs) {
      if (attribute === defaultAcl) level.acl = value
      else applyXattr(fd, attribute, value)
    }
    level.times = modificationTime(entry.mtime)
  }

  /** Anything but a directory. */
  #make(part: string, entry: ArchiveEntry): void {
    const name = cName(part)
    if (makeUnlessThere(() => this.#create(name, entry))) return
    if (entry.type === 'link' && this.#isSame(name, entry)) return
    // Appended to an archive a file stands in it once more: the last one counts.
    statAt(this.#descent.fd, name, this.#status)
    if (this.#status.isDirectory || kindOf(entry) !== kindOfStatus(this.#status))
      throw refuse(entry.name, 'is in the archive twice, as two different things')
    unlinkAt(this.#descent.fd, name)
    this.#create(name, entry)
  }

  #create(name: CName, entry: ArchiveEntry): void {
    const { fd } = this.#descent
    if (entry.type === 'file') this.#createFile(name, entry)
    else if (entry.type === 'link')
      this.#linkFrom(entry, (from, target) => hardLinkAt(from, target, fd, name))
    else this.#createSpecial(name, entry)
  }

  #createSpecial(name: CName, entry: ArchiveEntry): void {
    const { fd } = this.#descent
    if (entry.type === 'symlink') makeLinkAt(targetOf(entry), fd, name)
    else makeNodeAt(fd, name, nodeMode(entry), deviceNumber(entry.major, entry.minor))
    setOwnerAt(fd, name, entry.uid, entry.gid)
    if (entry.type !== 'symlink') setModeAt(fd, name, entry.mode)
    const at = Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name.subarray(0, -1)])
    for (const [attribute, value] of entry.xattrs) applyXattr(at, attribute, value)
    setTimesAt(fd, name, modificationTime(entry.mtime))
  }

  #createFile(name: CName, entry: ArchiveEntry): void {
    const stored = storedSize(entry)
    this.#checkSize(entry, stored)
    const fd = openAt(
      this.#descent.fd,
      name,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
      0o600,
    )
    const parts = entry.data ?? (stored === 0 ? [] : [{ offset: 0, length: stored }])
    this.#file = { fd, entry, parts, part: 0, done: 0 }
    this.bytes += stored
  }

  /** Nothing is begun that cannot end well. */
  #checkSize(entry: ArchiveEntry, stored: number): void {
    const { maxSize } = this.#limits
    if (maxSize !== null && this.bytes + stored > maxSize)
      throw refuse(entry.name, `makes all files together larger than ${maxSize} bytes`)
    if (stored > lookEvery) this.#checkSpace(stored)
  }

  /** Files may be many and small. A limit stops them without being looked at. */
  #watchSpace(length: number): void {
    if (this.#limits.isLimited) return
    this.#unseen += length
    if (this.#unseen < lookEvery) return
    this.#unseen = 0
    this.#checkSpace(lookEvery)
  }

  #checkSpace(needed: number): void {
    const { bavail, blocks, bsize } = statfsSync(`/proc/self/fd/${this.#root.number}`)
    const reserve = this.#limits.isLimited ? 0 : Math.min((blocks * bsize) / reserveShare, mostReserve)
    const free = bavail * bsize - reserve
    if (needed <= free) return
    throw new TsnetError(
      'unavailable',
      'no-space',
      `the archive does not fit: ${needed} bytes more are needed, but ${Math.max(0, Math.floor(free))} are free on the file system of the volume`,
    )
  }

  #closeFile(): void {
    const file = this.#file
    if (file === null) return
    const { fd, entry } = file
    if (file.part < file.parts.length) throw refuse(entry.name, 'has less data than it says')
    if (entry.data !== null) ftruncateSync(fd, entry.size)
    // The owner first, whose change takes set-id bits and capabilities away; the times last.
    setOwner(fd, entry.uid, entry.gid)
    setMode(fd, entry.mode)
    for (const [attribute, value] of entry.xattrs) applyXattr(fd, attribute, value)
    setTimes(fd, modificationTime(entry.mtime))
    this.#file = null
    closeSync(fd)
  }

  /** Calls `body` with the place of what a hard link leads to, which must be a file that is there. */
  #linkFrom(entry: ArchiveEntry, body: (directory: number, name: CName) => void): void {
    const parts = this.#partsOf(entry.target, entry)
    const last = parts.pop()
    const missing = `is a hard link to "${entry.target}", which is no file of the archive`
    if (last === undefined) throw refuse(entry.name, missing)
    let place = this.#root.number
    try {
      for (const part of parts) {
        const next = openPlaceAt(place, cName(part))
        if (place !== this.#root.number) closeSync(place)
        place = next
      }
      body(place, cName(last))
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EPERM')) throw refuse(entry.name, missing)
      throw error
    } finally {
      if (place !== this.#root.number) closeSync(place)
    }
  }

  /** Whether a hard link leads to the file that has its name already. */
  #isSame(name: CName, entry: ArchiveEntry): boolean {
    statAt(this.#descent.fd, name, this.#status)
    const { identity } = this.#status
    this.#linkFrom(entry, (directory, target) => statAt(directory, target, this.#status))
    return this.#status.identity === identity
  }
}

/** Bytes and a NUL. */
function cName(part: string): CName {
  return Buffer.from(`${part}\0`, 'latin1')
}

function targetOf({ name, target }: ArchiveEntry): CName {
  if (target === '' || target.length > longestTarget || target.includes('\0'))
    throw refuse(name, 'is a link with an impossible target')
  return cName(target)
}

function nodeMode({ name, type, major, minor }: ArchiveEntry): number {
  if (type === 'fifo') return S_IFIFO | 0o600
  if (isHarmlessDevice(type, major, minor)) return S_IFCHR | 0o600
  throw refuse(
    name,
    `is the device node ${type === 'block-device' ? 'b' : 'c'} ${major}:${minor}, which no volume may hold`,
  )
}

/** What two entries of one name must have in common. */
function kindOf({ type }: ArchiveEntry): string {
  return type === 'symlink' ? 'symlink' : type === 'file' || type === 'link' ? 'file' : 'node'
}

function kindOfStatus(status: FileStatus): string {
  return status.isLink ? 'symlink' : status.isRegular ? 'file' : 'node'
}

/** false when there is something of that name. */
function makeUnlessThere(make: () => void): boolean {
  try {
    make()
    return true
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false
    throw error
  }
}

function isErrno(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof SyscallError && names.includes(error.errnoName)
}

/** Marks that the daemon sets for itself, and what belongs to the host's policy. */
const foreignAttributes = /^(?:trusted\.tsnet\.|security\.(?:selinux|ima|evm)$)/

function applyXattr(at: number | Buffer, name: string, value: Buffer): void {
  // libc takes it up to a NUL
  if (foreignAttributes.test(name) || name.includes('\0')) return
  try {
    setXattr(at, Buffer.from(name, 'latin1').toString(), value)
  } catch (error) {
    // A lost capability breaks programs; other attributes are passed over where the file system has none.
    if (!isErrno(error, 'EOPNOTSUPP', 'EPERM') || name === 'security.capability') throw error
  }
}
