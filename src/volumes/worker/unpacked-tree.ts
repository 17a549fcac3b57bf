/** Builds a tree from the entries of an archive, which may be hostile: nothing that it says leads out of the tree. */
import { closeSync, constants } from 'node:fs'
import { type ArchiveEntry, splitName, storedSize } from '../../archives/entry.ts'
import {
  type CName,
  hardLinkAt,
  makeLinkAt,
  makeNodeAt,
  openAt,
  openPlaceAt,
  setTimesAt,
  statAt,
  unlinkAt,
} from '../../sys/at.ts'
import { S_IFCHR, S_IFIFO } from '../../sys/constants/stat.ts'
import { isErrno } from '../../sys/errno.ts'
import type { Fd } from '../../sys/fd.ts'
import { deviceNumber, modificationTime } from '../../sys/file.ts'
import { FileStatus } from '../../sys/file-status.ts'
import { setAttributes, setAttributesAt } from './entry-attributes.ts'
import { isHarmlessDevice } from './harmless-devices.ts'
import { refuse } from './refuse.ts'
import { cName, defaultAcl, makeUnlessThere, UnpackPath } from './unpack-path.ts'
import { type Limits, UnpackRoom } from './unpack-room.ts'
import { UnpackedFile } from './unpacked-file.ts'

/** Longer than any path that the kernel takes at once: trees may be deeper. */
const longestPath = 65_536
/** PATH_MAX of <linux/limits.h>, without the NUL */
const longestTarget = 4095

export class UnpackedTree implements Disposable {
  readonly #root: Fd
  readonly #path: UnpackPath
  readonly #status = new FileStatus()
  /** Of this one data is to follow. */
  #file: UnpackedFile | null = null
  readonly room: UnpackRoom

  /** `root` is an empty directory, open. */
  constructor(root: Fd, limits: Limits) {
    this.#root = root
    this.#path = new UnpackPath(root.number)
    this.room = new UnpackRoom(root.number, limits)
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]()
    this.#path[Symbol.dispose]()
  }

  /** Makes an entry. A file's data is to follow. */
  add(entry: ArchiveEntry): void {
    this.#closeFile()
    this.room.takeEntry(entry)
    const parts = partsOf(entry.name, entry)
    const name = parts.pop()
    this.#path.goTo(parts, entry.name)
    if (name !== undefined && entry.type !== 'directory') this.#make(name, entry)
    else this.#addDirectory(name, entry)
  }

  /** The next bytes of the file that was added last. */
  write(bytes: Buffer): void {
    if (this.#file === null) return
    this.room.watchSpace(bytes.length)
    this.#file.write(bytes)
  }

  /** To be called after the last entry. */
  finish(): void {
    this.#closeFile()
    this.#path.finish()
  }

  #closeFile(): void {
    const file = this.#file
    if (file === null) return
    file.finish()
    this.#file = null
    file[Symbol.dispose]()
  }

  /** Without a name it is the root. */
  #addDirectory(name: string | undefined, entry: ArchiveEntry): void {
    if (entry.type !== 'directory') throw refuse(entry.name, 'stands for the root, but is not a directory')
    if (name !== undefined) this.#path.enter(name, 0o700, entry.name)
    const { fd, directory } = this.#path
    const xattrs = new Map(entry.xattrs)
    directory.acl = xattrs.get(defaultAcl) ?? directory.acl
    xattrs.delete(defaultAcl)
    setAttributes(fd, { ...entry, xattrs })
    directory.times = modificationTime(entry.mtime)
  }

  /** Anything but a directory. */
  #make(part: string, entry: ArchiveEntry): void {
    const name = cName(part)
    if (makeUnlessThere(() => this.#create(name, entry))) return
    if (entry.type === 'link' && this.#isSame(name, entry)) return
    // Appended to an archive a file stands in it once more: the last one counts.
    statAt(this.#path.fd, name, this.#status)
    if (this.#status.isDirectory || kindOf(entry) !== kindOfStatus(this.#status))
      throw refuse(entry.name, 'is in the archive twice, as two different things')
    unlinkAt(this.#path.fd, name)
    this.#create(name, entry)
  }

  #create(name: CName, entry: ArchiveEntry): void {
    const { fd } = this.#path
    if (entry.type === 'file') this.#createFile(name, entry)
    else if (entry.type === 'link')
      this.#linkFrom(entry, (from, target) => hardLinkAt(from, target, fd, name))
    else this.#createSpecial(name, entry)
  }

  #createSpecial(name: CName, entry: ArchiveEntry): void {
    const { fd } = this.#path
    if (entry.type === 'symlink') makeLinkAt(targetOf(entry), fd, name)
    else makeNodeAt(fd, name, nodeMode(entry), deviceNumber(entry.major, entry.minor))
    setAttributesAt(fd, name, entry)
    setTimesAt(fd, name, modificationTime(entry.mtime))
  }

  #createFile(name: CName, entry: ArchiveEntry): void {
    const size = storedSize(entry)
    this.room.checkFile(entry, size)
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL
    this.#file = new UnpackedFile(openAt(this.#path.fd, name, flags, 0o600), entry)
    this.room.takeFile(size)
  }

  /** Calls `body` with the place of what a hard link leads to, which must be a file that is there. */
  #linkFrom(entry: ArchiveEntry, body: (directory: number, name: CName) => void): void {
    const parts = partsOf(entry.target, entry)
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
    statAt(this.#path.fd, name, this.#status)
    const { identity } = this.#status
    this.#linkFrom(entry, (directory, target) => statAt(directory, target, this.#status))
    return this.#status.identity === identity
  }
}

/** Of a name that could lead out nothing is taken, whether it does or not. */
function partsOf(path: string, entry: ArchiveEntry): string[] {
  if (path.startsWith('/')) throw refuse(entry.name, `has the absolute path "${path}"`)
  if (path.split('/').includes('..')) throw refuse(entry.name, `has ".." in the path "${path}"`)
  return splitName(path, refuse, longestPath)
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
