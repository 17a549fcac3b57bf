/**
 * The way from a tree's root down to the directory that is worked on, as descriptors. A tree may be deeper than a process
 * may have files open: of the outer directories only the nearest stay open, and the others are found again by `..`.
 */
import { closeSync } from 'node:fs'
import { TsnetError } from '../errors.ts'
import { type CName, openDirectoryAt, statOpen } from './at.ts'
import { FileStatus } from './file-status.ts'

interface Level {
  /** -1 while closed */
  fd: number
  readonly name: CName
  identity: string
}

/** How many levels stay open. */
const OPEN_LEVELS = 64

const parent = Buffer.from('..\0')
const status = new FileStatus()

export class Descent implements Disposable {
  readonly #levels: Level[]

  /** `root` stays the caller's to close. */
  constructor(root: number) {
    this.#levels = [{ fd: root, name: Buffer.alloc(1), identity: '' }]
  }

  /** The directory that is worked on. */
  get fd(): number {
    return this.#top.fd
  }

  get depth(): number {
    return this.#levels.length - 1
  }

  /** Its path from the root, '' for the root itself, each name with a slash behind it. */
  get path(): Buffer {
    const slash = Buffer.from('/')
    return Buffer.concat(this.#levels.slice(1).flatMap(({ name }) => [name.subarray(0, -1), slash]))
  }

  /** Goes down into a directory of the present one; `fd` becomes the descent's to close. */
  enter(name: CName, fd: number): void {
    this.#levels.push({ fd, name, identity: '' })
    const outer = this.#levels.length - 1 - OPEN_LEVELS
    if (outer > 0) closeLevel(this.#levels[outer]!)
  }

  /**
   * Goes up; returns the directory that was left, which is now the caller's to close. Throws kind 'conflict' when it was
   * moved elsewhere meanwhile, so that above it is another directory than the one it was found in.
   */
  leave(): { readonly fd: number; readonly name: CName } {
    const left = this.#levels.pop()!
    if (this.#top.fd < 0) this.#reopen(left)
    return left
  }

  [Symbol.dispose](): void {
    for (const level of this.#levels.splice(1)) if (level.fd >= 0) closeSync(level.fd)
  }

  get #top(): Level {
    return this.#levels.at(-1)!
  }

  #reopen(left: Level): void {
    const fd = openDirectoryAt(left.fd, parent)
    statOpen(fd, status)
    if (status.identity === this.#top.identity) {
      this.#top.fd = fd
      return
    }
    closeSync(fd)
    closeSync(left.fd)
    throw new TsnetError(
      'conflict',
      'tree-moved',
      `directory ${left.name.toString('utf8', 0, left.name.length - 1)} was moved elsewhere while it was read`,
    )
  }
}

function closeLevel(level: Level): void {
  statOpen(level.fd, status)
  level.identity = status.identity
  closeSync(level.fd)
  level.fd = -1
}
