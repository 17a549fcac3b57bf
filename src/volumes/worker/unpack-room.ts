/** What an archive may take of a volume: entries, bytes of files, and room on the file system. */
import { statfsSync } from 'node:fs'
import type { ArchiveEntry } from '../../archives/entry.ts'
import { TsnetError } from '../../errors.ts'
import { refuse } from './refuse.ts'

export interface Limits {
  /** The most bytes of all files; null for what there is room for. */
  readonly maxSize: number | null
  readonly maxEntries: number
  /** The volume has a size limit: what is free there is nobody else's. */
  readonly isLimited: boolean
}

/** bytes between two looks at the free space */
const lookEvery = 16 << 20
/** What the file system keeps for others: this share of it, but no more than so many bytes. */
const reserveShare = 50
const mostReserve = 256 << 20

export class UnpackRoom {
  readonly #root: number
  readonly #limits: Limits
  #unseen = 0
  entries = 0
  /** bytes of all files */
  bytes = 0

  /** `root` is a descriptor on the file system. */
  constructor(root: number, limits: Limits) {
    this.#root = root
    this.#limits = limits
  }

  /** Throws kind 'invalid' for one entry too many. */
  takeEntry({ name }: ArchiveEntry): void {
    if (++this.entries > this.#limits.maxEntries)
      throw refuse(name, `is one of more than ${this.#limits.maxEntries}`)
  }

  /** Nothing is begun that cannot end well. Throws kind 'invalid' beyond the limit, 'unavailable' without room. */
  checkFile({ name }: ArchiveEntry, size: number): void {
    const { maxSize } = this.#limits
    if (maxSize !== null && this.bytes + size > maxSize)
      throw refuse(name, `makes all files together larger than ${maxSize} bytes`)
    if (size > lookEvery) this.#checkSpace(size)
  }

  takeFile(size: number): void {
    this.bytes += size
  }

  /** Files may be many and small. A limit stops them without being looked at. */
  watchSpace(length: number): void {
    if (this.#limits.isLimited) return
    this.#unseen += length
    if (this.#unseen < lookEvery) return
    this.#unseen = 0
    this.#checkSpace(lookEvery)
  }

  #checkSpace(needed: number): void {
    const { bavail, blocks, bsize } = statfsSync(`/proc/self/fd/${this.#root}`)
    const reserve = this.#limits.isLimited ? 0 : Math.min((blocks * bsize) / reserveShare, mostReserve)
    const free = bavail * bsize - reserve
    if (needed <= free) return
    throw new TsnetError(
      'unavailable',
      'no-space',
      `the archive does not fit: ${needed} bytes more are needed, but ${Math.max(0, Math.floor(free))} are free on the file system of the volume`,
    )
  }
}
