/** Puts what a walk through a tree visits into a tar archive. */
import { closeSync, readSync } from 'node:fs'
import type { ArchiveEntry, EntryType, Segment } from '../../archives/entry.ts'
import type { TarWriter } from '../../archives/tar-writer.ts'
import { type CName, readLinkAt, statAt, statOpen, unlessGone } from '../../sys/at.ts'
import {
  DT_REG,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from '../../sys/constants/stat.ts'
import { FileStatus } from '../../sys/file-status.ts'
import { findData } from '../../sys/holes.ts'
import type { SourceTree } from '../../sys/source-tree.ts'
import type { TreeVisitor } from '../../sys/walk-tree.ts'
import { getXattr, listXattrs } from '../../sys/xattr.ts'
import { isHarmlessDevice } from './harmless-devices.ts'

const types: Readonly<Record<number, EntryType>> = {
  [S_IFREG]: 'file',
  [S_IFDIR]: 'directory',
  [S_IFLNK]: 'symlink',
  [S_IFCHR]: 'character-device',
  [S_IFBLK]: 'block-device',
  [S_IFIFO]: 'fifo',
}

/** Marks that the daemon sets for itself, and what belongs to the host's policy. */
const foreignAttributes = /^(?:trusted\.tsnet\.|security\.(?:selinux|ima|evm)$)/

export class ArchivedTree implements TreeVisitor {
  readonly #source: SourceTree
  readonly #tar: TarWriter
  readonly #status = new FileStatus()
  /** Of a file with several names the first one, by its identity. */
  readonly #linked = new Map<string, string>()
  readonly #above: string[] = []
  #path = ''
  entries = 0
  changed = 0
  leftOut = 0

  constructor(source: SourceTree, tar: TarWriter) {
    this.#source = source
    this.#tar = tar
  }

  addRoot(): void {
    const { number } = this.#source.root
    statOpen(number, this.#status)
    this.#add(describe('./', this.#status, xattrsOf(number)))
  }

  entry(directory: number, name: CName, type: number): boolean {
    if (type === DT_REG && this.#addRegular(directory, name)) return false
    if (!unlessGone(() => statAt(directory, name, this.#status))) return false
    if (this.#status.isDirectory) return true
    if (this.#status.isRegular) return this.entry(directory, name, DT_REG)
    this.#addSpecial(directory, name)
    return false
  }

  enter(name: CName, status: FileStatus, opened: number): boolean {
    const path = this.#pathOf(name)
    this.#add(describe(`${path}/`, status, xattrsOf(opened)))
    if (status.isMountRoot) return false
    this.#above.push(this.#path)
    this.#path = `${path}/`
    return true
  }

  leave(): void {
    this.#path = this.#above.pop() ?? ''
  }

  /** false when it is no regular file any more. */
  #addRegular(directory: number, name: CName): boolean {
    const status = this.#status
    const fd = this.#source.openFile(directory, name, status)
    if (fd < 0) return false
    try {
      const path = this.#pathOf(name)
      if (this.#addLink(path)) return true
      // What is mounted over a file does not belong to the volume.
      const size = status.isMountRoot ? 0 : status.length
      const data = status.allocated < size ? findData(fd, size) : null
      const isSparse = data !== null && (data.length !== 1 || data[0]!.length !== size)
      this.#add(describe(path, status, xattrsOf(fd), { size, data: isSparse ? data : null }))
      this.#addData(fd, isSparse ? data : [{ offset: 0, length: size }])
      return true
    } finally {
      closeSync(fd)
    }
  }

  #addData(fd: number, parts: readonly Segment[]): void {
    // What became shorter is filled up: the archive has said how long it is.
    const isWhole = parts.every((part) => this.#addPart(fd, part))
    if (!isWhole) {
      this.#tar.padOut()
      this.changed++
    }
    this.#tar.close()
  }

  /** false when the file ends before. */
  #addPart(fd: number, { offset, length }: Segment): boolean {
    let done = 0
    const read = (buffer: Buffer, at: number, most: number): number =>
      readSync(fd, buffer, at, most, offset + done)
    while (done < length) {
      const count = this.#tar.take(length - done, read)
      if (count === 0) return false
      done += count
    }
    return true
  }

  #addSpecial(directory: number, name: CName): void {
    const status = this.#status
    const path = this.#pathOf(name)
    const link = { target: '' }
    if (status.isLink && !unlessGone(() => (link.target = textOf(readLinkAt(directory, name))))) return
    const type = types[status.mode & S_IFMT]
    const { deviceMajor, deviceMinor } = status
    const isRefused = status.isDevice && !isHarmlessDevice(type ?? '', deviceMajor, deviceMinor)
    if (type === undefined || isRefused) {
      this.leftOut++
      return
    }
    if (this.#addLink(path)) return
    const at = Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name.subarray(0, -1)])
    this.#add(describe(path, status, xattrsOf(at), link))
  }

  /** Adds a further name of a file that the archive has; false when it is the first one. */
  #addLink(path: string): boolean {
    if (this.#status.links < 2) return false
    const first = this.#linked.get(this.#status.identity)
    if (first === undefined) {
      this.#linked.set(this.#status.identity, path)
      return false
    }
    this.#add(describe(path, this.#status, noXattrs, { type: 'link', target: first }))
    return true
  }

  #add(entry: ArchiveEntry): void {
    this.#tar.entry(entry)
    this.entries++
  }

  #pathOf(name: CName): string {
    return this.#path + textOf(name)
  }
}

/** Each byte a character. */
function textOf(name: CName): string {
  return name.toString('latin1', 0, name.length - 1)
}

const noXattrs: ReadonlyMap<string, Buffer> = new Map()

function describe(
  name: string,
  status: FileStatus,
  xattrs: ReadonlyMap<string, Buffer>,
  { type, size = 0, data = null, target = '' }: Partial<ArchiveEntry> = {},
): ArchiveEntry {
  return {
    name,
    type: type ?? types[status.mode & S_IFMT] ?? 'file',
    mode: status.permissions,
    uid: status.uid,
    gid: status.gid,
    mtime: status.modified,
    size,
    data,
    target,
    major: status.isDevice ? status.deviceMajor : 0,
    minor: status.isDevice ? status.deviceMinor : 0,
    xattrs,
  }
}

function xattrsOf(file: number | Buffer): ReadonlyMap<string, Buffer> {
  const names = listXattrs(file)
  if (names.length === 0) return noXattrs
  const attributes = new Map<string, Buffer>()
  for (const name of names) {
    const value = foreignAttributes.test(name) ? null : getXattr(file, name)
    if (value !== null) attributes.set(Buffer.from(name).toString('latin1'), value)
  }
  return attributes
}
