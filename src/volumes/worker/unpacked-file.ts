/** A file of an archive that is being written. */
import { closeSync, ftruncateSync, writeSync } from 'node:fs'
import { type ArchiveEntry, type Segment, storedSize } from '../../archives/entry.ts'
import { setTimes } from '../../sys/at.ts'
import { modificationTime } from '../../sys/file.ts'
import { setAttributes } from './entry-attributes.ts'
import { refuse } from './refuse.ts'

export class UnpackedFile implements Disposable {
  readonly #fd: number
  readonly #entry: ArchiveEntry
  readonly #parts: readonly Segment[]
  #part = 0
  /** bytes of the part that are written */
  #done = 0

  /** `fd` becomes the file's to close. */
  constructor(fd: number, entry: ArchiveEntry) {
    this.#fd = fd
    this.#entry = entry
    const stored = storedSize(entry)
    this.#parts = entry.data ?? (stored === 0 ? [] : [{ offset: 0, length: stored }])
  }

  /** Throws kind 'invalid' for more than the entry says. */
  write(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const part = this.#parts[this.#part]
      if (part === undefined) throw refuse(this.#entry.name, 'has more data than it says')
      const length = Math.min(bytes.length - at, part.length - this.#done)
      const written = writeSync(this.#fd, bytes, at, length, part.offset + this.#done)
      at += written
      this.#done += written
      if (this.#done < part.length) continue
      this.#part++
      this.#done = 0
    }
  }

  /** All has been written. Throws kind 'invalid' for less than the entry says. */
  finish(): void {
    const { name, data, size, mtime } = this.#entry
    if (this.#part < this.#parts.length) throw refuse(name, 'has less data than it says')
    if (data !== null) ftruncateSync(this.#fd, size)
    setAttributes(this.#fd, this.#entry)
    // Last, for all else changes them.
    setTimes(this.#fd, modificationTime(mtime))
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd)
  }
}
