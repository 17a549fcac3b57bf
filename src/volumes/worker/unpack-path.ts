/**
 * The way from a tree's root to the directory that is built, by names of an archive that may be hostile. Each step down is by
 * descriptor and follows no link, neither one of the archive's nor one that somebody else makes meanwhile.
 */
import { closeSync } from 'node:fs'
import { type CName, makeDirectoryAt, openDirectoryAt, setTimes, statOpen } from '../../sys/at.ts'
import { Descent } from '../../sys/descent.ts'
import { isErrno } from '../../sys/errno.ts'
import { FileStatus } from '../../sys/file-status.ts'
import { getXattr, removeXattr } from '../../sys/xattr.ts'
import { applyXattr } from './entry-attributes.ts'
import { refuse } from './refuse.ts'

/** The access control list that all gets which is made in a directory. */
export const defaultAcl = 'system.posix_acl_default'

/** How often directories are opened, for all entries together: an archive could lead to and fro through deep trees for hours. */
const mostSteps = 20_000_000

/** What a directory gets when it is left: work in it changes its times, and its default list would go over to what is made in it. */
interface Directory {
  readonly name: string
  /** null leaves them as they come */
  times: Buffer | null
  acl: Buffer | null
}

export class UnpackPath implements Disposable {
  readonly #root: number
  readonly #descent: Descent
  readonly #directories: Directory[] = [{ name: '', times: null, acl: null }]
  readonly #status = new FileStatus()
  #steps = 0

  /** `root` stays the caller's to close. */
  constructor(root: number) {
    this.#root = root
    this.#descent = new Descent(root)
  }

  [Symbol.dispose](): void {
    this.#descent[Symbol.dispose]()
  }

  /** The directory that is built. */
  get fd(): number {
    return this.#descent.fd
  }

  get directory(): Directory {
    return this.#directories.at(-1)!
  }

  /** Goes to a directory by the way from the root, making what is missing of it. Throws kind 'invalid' where a link or a file is in the way. */
  goTo(parts: readonly string[], entryName: string): void {
    let same = 0
    while (same < parts.length && this.#directories[same + 1]?.name === parts[same]) same++
    while (this.#directories.length > same + 1) this.#leave()
    for (const part of parts.slice(same)) this.enter(part, 0o755, entryName)
  }

  /** Goes on to a directory of the present one, which is made with `mode` unless it is there. Throws as `goTo`. */
  enter(part: string, mode: number, entryName: string): void {
    if (++this.#steps > mostSteps) throw refuse(entryName, 'leads to and fro through too many directories')
    const name = cName(part)
    makeUnlessThere(() => makeDirectoryAt(this.fd, name, mode))
    const fd = this.#open(name, entryName)
    this.#descent.enter(name, fd)
    statOpen(fd, this.#status)
    const acl = getXattr(fd, defaultAcl)
    if (acl !== null) removeXattr(fd, defaultAcl)
    this.#directories.push({ name: part, times: this.#status.times, acl })
  }

  #open(name: CName, entryName: string): number {
    try {
      return openDirectoryAt(this.fd, name)
    } catch (error) {
      if (isErrno(error, 'ELOOP', 'ENOTDIR'))
        throw refuse(entryName, 'goes through a link or a file as if it were a directory')
      throw error
    }
  }

  #leave(): void {
    const directory = this.#directories.pop()!
    const { fd } = this.#descent.leave()
    try {
      complete(fd, directory)
    } finally {
      closeSync(fd)
    }
  }

  /** Leaves all directories, and the root. */
  finish(): void {
    while (this.#directories.length > 1) this.#leave()
    complete(this.#root, this.directory)
  }
}

function complete(fd: number, { acl, times }: Directory): void {
  if (acl !== null) applyXattr(fd, defaultAcl, acl)
  if (times !== null) setTimes(fd, times)
}

/** Bytes and a NUL. */
export function cName(part: string): CName {
  return Buffer.from(`${part}\0`, 'latin1')
}

/** false when there is something of that name. */
export function makeUnlessThere(make: () => void): boolean {
  try {
    make()
    return true
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false
    throw error
  }
}
