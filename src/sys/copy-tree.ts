/**
 * Copies a tree as it is: content, owners, modes, times, extended attributes with access control lists and capabilities, hard
 * links among its files, symbolic links, FIFOs and devices. Sockets are left out, for nobody listens on a copy. What is
 * mounted inside does not belong to the tree: an empty directory or file stands for it.
 */
import { closeSync, constants } from 'node:fs'
import {
  type CName,
  hardLinkAt,
  makeDirectoryAt,
  makeLinkAt,
  makeNodeAt,
  nameText,
  openAt,
  openDirectory,
  openDirectoryAt,
  openPlaceAt,
  readLinkAt,
  setModeAt,
  setOwner,
  setOwnerAt,
  setTimesAt,
  statAt,
  statOpen,
  unlessGone,
} from './at.ts'
import { DT_REG } from './constants/stat.ts'
import { applyStatus, copyAttributes, copyFileAttributes } from './copy-attributes.ts'
import { ContentCopier } from './copy-content.ts'
import { copyXattrsByPath, removeXattrs } from './copy-xattrs.ts'
import { Descent } from './descent.ts'
import { SyscallError } from './errno.ts'
import type { Fd } from './fd.ts'
import { deviceNumber } from './file.ts'
import { FileStatus } from './file-status.ts'
import { SourceTree } from './source-tree.ts'
import { type TreeVisitor, walkTree } from './walk-tree.ts'

export interface CopyOptions {
  /** Called with the number of bytes of content that were just copied, 0 for an entry without any. */
  readonly progress?: (bytes: number) => void
}

/**
 * Copies what is in the directory `from`, and that directory's own attributes, into the empty directory `to`. Paths may lead
 * over links; inside none is followed. What vanishes meanwhile is left out. Needs root. Throws SyscallError naming the path
 * inside the tree; what was copied until then stays.
 */
export function copyTree(
  from: string | Buffer | Fd,
  to: string | Buffer | Fd,
  options: CopyOptions = {},
): void {
  using source = new SourceTree(from)
  using target = openDirectory(to)
  // Files are made with the modes they have in the end: one call less for each.
  const umask = process.umask(0)
  try {
    removeXattrs(target.number)
    using copy = new TreeCopy(source, target, options.progress ?? (() => {}))
    walkTree(source.root, copy)
    const status = new FileStatus()
    statOpen(source.root.number, status)
    copyAttributes(source.root.number, target.number, status)
  } finally {
    process.umask(umask)
  }
}

/** Where the first of a file's names was put, and how many names are still to come. */
interface FirstName {
  readonly path: Buffer
  left: number
}

class TreeCopy implements TreeVisitor, Disposable {
  readonly #source: SourceTree
  readonly #root: Fd
  readonly #rootIdentity: string
  readonly #target: Descent
  readonly #content: ContentCopier
  readonly #progress: (bytes: number) => void
  readonly #status = new FileStatus()
  /** A file of the present target directory as it was made. */
  readonly #made = new FileStatus()
  #isOwnerKnown = false
  readonly #directories: FileStatus[] = []
  readonly #linked = new Map<string, FirstName>()

  constructor(source: SourceTree, root: Fd, progress: (bytes: number) => void) {
    this.#source = source
    this.#root = root
    this.#target = new Descent(root.number)
    this.#content = new ContentCopier(progress)
    this.#progress = progress
    statOpen(root.number, this.#status)
    this.#rootIdentity = this.#status.identity
  }

  [Symbol.dispose](): void {
    this.#target[Symbol.dispose]()
  }

  entry(directory: number, name: CName, type: number): boolean {
    if (type === DT_REG && this.#copyRegular(directory, name)) return false
    if (!unlessGone(() => statAt(directory, name, this.#status))) return false
    if (this.#status.isDirectory) return true
    if (this.#status.isRegular) return this.entry(directory, name, DT_REG)
    this.#copySpecial(directory, name)
    this.#progress(0)
    return false
  }

  enter(name: CName, status: FileStatus): boolean {
    // A copy into the tree itself would not end.
    if (status.identity === this.#rootIdentity) return false
    makeDirectory(this.#target.fd, name)
    const fd = openDirectoryAt(this.#target.fd, name)
    if (status.isMountRoot) {
      applyStatus(fd, status)
      closeSync(fd)
      return false
    }
    this.#target.enter(name, fd)
    this.#isOwnerKnown = false
    this.#directories.push(status.clone())
    return true
  }

  /** A directory's attributes come last: filling it changes its times, and its default access control list what is made in it. */
  leave(_parent: number, _name: CName, opened: number): void {
    const { fd } = this.#target.leave()
    this.#isOwnerKnown = false
    try {
      copyAttributes(opened, fd, this.#directories.pop()!)
    } finally {
      closeSync(fd)
    }
  }

  /** false when it is no regular file any more. */
  #copyRegular(directory: number, name: CName): boolean {
    const from = this.#source.openFile(directory, name, this.#status)
    if (from < 0) return false
    try {
      if (!this.#linkAgain(name)) this.#copyFile(from, name)
      return true
    } finally {
      closeSync(from)
    }
  }

  #copyFile(from: number, name: CName): void {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL
    const to = openAt(this.#target.fd, name, flags, this.#status.permissions & 0o777)
    try {
      if (!this.#status.isMountRoot) this.#content.copy(from, to, this.#status)
      this.#setOwner(to)
      copyFileAttributes(from, to, this.#status)
    } catch (error) {
      throw named(error, name)
    } finally {
      closeSync(to)
    }
  }

  /** Most files have the owner with which they are made, the same one in all of a directory. */
  #setOwner(to: number): void {
    if (!this.#isOwnerKnown) statOpen(to, this.#made)
    this.#isOwnerKnown = true
    const { uid, gid } = this.#status
    if (uid !== this.#made.uid || gid !== this.#made.gid) setOwner(to, uid, gid)
  }

  #copySpecial(directory: number, name: CName): void {
    const status = this.#status
    if (status.isSocket) return
    const leadsTo = { path: name }
    if (status.isLink && !unlessGone(() => (leadsTo.path = readLinkAt(directory, name)))) return
    if (this.#linkAgain(name)) return
    const to = this.#target.fd
    if (status.isLink) makeLinkAt(leadsTo.path, to, name)
    else makeNodeAt(to, name, status.mode, deviceNumber(status.deviceMajor, status.deviceMinor))
    setOwnerAt(to, name, status.uid, status.gid)
    if (!status.isLink) setModeAt(to, name, status.permissions)
    copyXattrsByPath(procPath(directory, name), procPath(to, name))
    setTimesAt(to, name, status.times)
  }

  /** Gives the copy of a file that was seen under another name this name too. */
  #linkAgain(name: CName): boolean {
    if (this.#status.links < 2) return false
    const { identity } = this.#status
    const first = this.#linked.get(identity)
    if (first === undefined) {
      const path = Buffer.concat([this.#target.path, name])
      this.#linked.set(identity, { path, left: this.#status.links - 1 })
      return false
    }
    if (!linkFromRoot(this.#root, first.path, this.#target.fd, name)) {
      // So many names are too many for this file system: the next ones go to a second copy.
      this.#linked.delete(identity)
      return this.#linkAgain(name)
    }
    if (--first.left <= 0) this.#linked.delete(identity)
    return true
  }
}

/** One that is there already, such as lost+found of a new file system, is taken for the copy. */
function makeDirectory(directory: number, name: CName): void {
  try {
    makeDirectoryAt(directory, name, 0o700)
  } catch (error) {
    if (!(error instanceof SyscallError && error.errnoName === 'EEXIST')) throw error
  }
}

const LONGEST_PART = 2048

/** linkat(2) from a path below the root, of any length; false when the file has as many names as its file system allows. */
function linkFromRoot(root: Fd, path: Buffer, directory: number, name: CName): boolean {
  let [from, rest] = [root.number, path]
  try {
    while (rest.length > LONGEST_PART) {
      const end = rest.lastIndexOf(0x2f, LONGEST_PART)
      const next = openPlaceAt(from, Buffer.concat([rest.subarray(0, end), Buffer.alloc(1)]))
      if (from !== root.number) closeSync(from)
      ;[from, rest] = [next, rest.subarray(end + 1)]
    }
    hardLinkAt(from, rest, directory, name)
    return true
  } catch (error) {
    if (error instanceof SyscallError && error.errnoName === 'EMLINK') return false
    throw error
  } finally {
    if (from !== root.number) closeSync(from)
  }
}

/** A path to an entry for calls that take no descriptors; only its last component is not the kernel's own. */
function procPath(directory: number, name: CName): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name])
}

/** The failure of a call that knew descriptors only. */
function named(error: unknown, name: CName): unknown {
  return error instanceof SyscallError ? new SyscallError(error.call, error.errno, nameText(name)) : error
}
