/**
 * Walks a tree of any depth and breadth by descriptors: no link is followed, no name is read as text, and what is renamed
 * or removed meanwhile by others is taken as it is found or not at all.
 */
import { closeSync } from 'node:fs'
import { type CName, openDirectoryAt, statOpen } from './at.ts'
import { DT_DIR, DT_UNKNOWN } from './constants/stat.ts'
import { Descent } from './descent.ts'
import { entryBuffer, readEntries, readSortedEntries } from './directory.ts'
import { SyscallError } from './errno.ts'
import type { Fd } from './fd.ts'
import { FileStatus } from './file-status.ts'

/** Descriptors and names are good during the call only, but for the names of directories. */
export interface TreeVisitor {
  /**
   * Anything that is no directory, as far as the listing tells: `type` is DT_*, DT_UNKNOWN where it does not. Returns true
   * when it turns out to be a directory, which is then entered.
   */
  entry(directory: number, name: CName, type: number): boolean
  /** A directory that was opened, before what is in it; false leaves that out and `leave` too. */
  enter(name: CName, status: FileStatus, opened: number): boolean
  /** The directory `opened` and all in it is done; `parent` is where it was found. */
  leave(parent: number, name: CName, opened: number): void
}

interface Frame {
  readonly directories: readonly CName[]
  next: number
}

export interface WalkOptions {
  /** By the bytes of their names, with a directory's files before its directories, instead of as they lie on the disk. */
  readonly sorted?: boolean
}

/** Visits all below `root`, a directory open for reading. Throws SyscallError naming the path from the root. */
export function walkTree(root: Fd, visitor: TreeVisitor, { sorted = false }: WalkOptions = {}): void {
  using descent = new Descent(root.number)
  const walk = new Walk(descent, visitor, sorted)
  try {
    walk.run()
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    throw new SyscallError(error.call, error.errno, `${descent.path.toString()}${error.detail}`)
  }
}

class Walk {
  readonly #descent: Descent
  readonly #visitor: TreeVisitor
  readonly #buffer = entryBuffer()
  readonly #status = new FileStatus()
  readonly #frames: Frame[] = []
  readonly #sorted: boolean

  constructor(descent: Descent, visitor: TreeVisitor, sorted: boolean) {
    this.#descent = descent
    this.#visitor = visitor
    this.#sorted = sorted
  }

  run(): void {
    this.#list()
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      const name = frame.directories[frame.next++]
      if (name === undefined) this.#leave()
      else this.#enter(name)
    }
  }

  /** All but the directories at once, and these afterwards: one listing is open at a time. */
  #list(): void {
    const directories: CName[] = []
    const { fd } = this.#descent
    for (const batch of this.#sorted
      ? [readSortedEntries(fd, this.#buffer)]
      : readEntries(fd, this.#buffer)) {
      for (const { name, type } of batch) {
        if (type === DT_DIR || this.#visitor.entry(fd, name, type)) directories.push(Buffer.from(name))
      }
    }
    this.#frames.push({ directories, next: 0 })
  }

  #enter(name: CName): void {
    const fd = this.#open(name)
    if (fd < 0) return
    statOpen(fd, this.#status)
    if (this.#visitor.enter(name, this.#status, fd)) {
      this.#descent.enter(name, fd)
      this.#list()
    } else closeSync(fd)
  }

  /** -1 when there is no directory of this name any more. */
  #open(name: CName): number {
    for (;;) {
      try {
        return openDirectoryAt(this.#descent.fd, name)
      } catch (error) {
        if (!(error instanceof SyscallError)) throw error
        if (error.errnoName === 'ENOENT') return -1
        if (error.errnoName !== 'ENOTDIR' && error.errnoName !== 'ELOOP') throw error
        // It was replaced by something else since it was listed.
        if (!this.#visitor.entry(this.#descent.fd, name, DT_UNKNOWN)) return -1
      }
    }
  }

  #leave(): void {
    this.#frames.pop()
    if (this.#descent.depth === 0) return
    const { fd, name } = this.#descent.leave()
    try {
      this.#visitor.leave(this.#descent.fd, name, fd)
    } finally {
      closeSync(fd)
    }
  }
}
