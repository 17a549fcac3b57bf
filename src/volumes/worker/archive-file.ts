/** A file that holds an archive, as plain bytes. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { detectCompression, longestMagic } from '../../archives/compression.ts'
import { GzipFile } from '../../sys/libz.ts'
import { ZstdDecompressor } from '../../sys/libzstd.ts'
import {
  type ArchiveLabel,
  type ArchiveSeal,
  labelSize,
  parseArchiveLabel,
  parseArchiveSeal,
  sealSize,
} from '../../values/volume-archive.ts'

const chunkSize = 1 << 20

export class ArchiveFile implements Disposable {
  readonly #path: string
  readonly #fd: number
  readonly #chunk = Buffer.alloc(chunkSize)
  /** bytes */
  readonly size: number
  /** null when it was not made by tsnet */
  readonly label: ArchiveLabel | null
  readonly seal: ArchiveSeal | null
  #labelSize = 0
  #at = 0

  /** Throws kind 'invalid' when what is tsnet's own in it is malformed. */
  constructor(path: string) {
    this.#path = path
    this.#fd = openSync(path, 'r')
    this.size = fstatSync(this.#fd).size
    this.label = this.#readLabel()
    this.seal = this.size < sealSize ? null : parseArchiveSeal(this.#read(this.size - sealSize, sealSize))
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd)
  }

  /** bytes that `next` has read */
  get done(): number {
    return this.#at
  }

  /** The next bytes as they are, up to `end`; none at the end. They last until the next call. */
  next(end = this.size): Buffer {
    const count = readSync(this.#fd, this.#chunk, 0, Math.min(chunkSize, end - this.#at), this.#at)
    this.#at += count
    return this.#chunk.subarray(0, count)
  }

  rewind(): void {
    this.#at = 0
  }

  /** The archive without its compression. Throws kind 'unsupported' for one that is not known. */
  openPlain(): { next(): Buffer } & Disposable {
    const compression = detectCompression(this.#read(this.#labelSize, longestMagic))
    if (compression === 'gzip') return new GzipFile(this.#path)
    if (compression === 'zstd') return new ZstdDecompressor(() => this.next())
    return { next: () => this.next(), [Symbol.dispose]: () => {} }
  }

  #readLabel(): ArchiveLabel | null {
    const size = labelSize(this.#read(0, 8))
    if (size === 0 || size > this.size) return null
    this.#labelSize = size
    return parseArchiveLabel(this.#read(0, size))
  }

  #read(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(length)
    return bytes.subarray(0, readSync(this.#fd, bytes, 0, length, offset))
  }
}
