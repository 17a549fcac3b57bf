/**
 * Writes a tar archive of the pax form into large buffers. Equal entries make equal bytes: nothing stands in it that depends
 * on who writes it or when.
 */
import { isUtf8 } from 'node:buffer'
import { type ArchiveEntry, type EntryType, storedSize } from './entry.ts'
import { formatPax, formatTime, xattrPrefix } from './pax.ts'
import { aclToText } from './posix-acl.ts'
import { formatSparseMap } from './sparse.ts'
import { blockSize, limits, writeHeader } from './tar-header.ts'

const typeLetters: Readonly<Record<EntryType, string>> = {
  file: '0',
  link: '1',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
}

const aclKeywords: Readonly<Record<string, string>> = {
  'system.posix_acl_access': 'SCHILY.acl.access',
  'system.posix_acl_default': 'SCHILY.acl.default',
}

/** POSIX.1-2017 has archives end with two blocks of zeros. */
const zeros = Buffer.alloc(2 * blockSize)

const bufferSize = 1 << 20

export class TarWriter {
  readonly #emit: (bytes: Buffer) => void
  readonly #buffer = Buffer.alloc(bufferSize)
  #at = 0
  /** bytes of the entry's data, with what fills its last block, that are still to come */
  #left = 0
  #written = 0

  /** `emit` gets the archive in pieces, each of which lasts only for the call. */
  constructor(emit: (bytes: Buffer) => void) {
    this.#emit = emit
  }

  /** bytes of the archive so far */
  get size(): number {
    return this.#written + this.#at
  }

  /** Begins an entry. Of a file `storedSize` bytes are to follow, by `take`. */
  entry(entry: ArchiveEntry): void {
    const map = entry.data === null ? null : formatSparseMap(entry.data, entry.size)
    const stored = entry.type === 'file' ? storedSize(entry) + (map?.length ?? 0) : 0
    const records = extendedRecords(entry, stored)
    if (records !== '') {
      this.#bytes(extensionHeader(records.length))
      this.#text(records)
    }
    this.#header(entry, typeLetters[entry.type], stored, Number(entry.mtime / 1_000_000_000n))
    if (map !== null) this.#bytes(map)
    this.#left = stored - (map?.length ?? 0)
  }

  /**
   * Takes up to `most` of the entry's next bytes by `read`, which writes them into the buffer from `at` on and returns how many
   * there were: none at the end.
   */
  take(most: number, read: (buffer: Buffer, at: number, length: number) => number): number {
    if (this.#at === bufferSize) this.#flush()
    const count = read(this.#buffer, this.#at, Math.min(bufferSize - this.#at, this.#left, most))
    this.#at += count
    this.#left -= count
    return count
  }

  /** Zeros in the place of all data that does not come. */
  padOut(): void {
    while (this.#left > 0)
      this.take(this.#left, (buffer, at, length) => {
        buffer.fill(0, at, at + length)
        return length
      })
  }

  /** To be called after a file's data. */
  close(): void {
    this.#fill(this.size)
  }

  end(): void {
    this.#bytes(zeros)
    this.#flush()
  }

  #header(entry: ArchiveEntry, type: string, size: number, mtime: number): void {
    if (this.#at + blockSize > bufferSize) this.#flush()
    writeHeader(this.#buffer, this.#at, entry, type, size, mtime)
    this.#at += blockSize
  }

  /** Whole blocks, the last one filled by zeros. */
  #text(text: string): void {
    if (text.length + blockSize > bufferSize) this.#bytes(Buffer.from(text, 'latin1'))
    else {
      if (this.#at + text.length > bufferSize) this.#flush()
      this.#at += this.#buffer.write(text, this.#at, 'latin1')
    }
    this.#fill(text.length)
  }

  #bytes(bytes: Buffer, length = bytes.length): void {
    for (let done = 0; done < length; ) {
      if (this.#at === bufferSize) this.#flush()
      const count = bytes.copy(this.#buffer, this.#at, done, length)
      this.#at += count
      done += count
    }
  }

  /** Zeros up to the end of a block that has been begun. */
  #fill(length: number): void {
    const rest = length % blockSize
    if (rest > 0) this.#bytes(zeros, blockSize - rest)
  }

  #flush(): void {
    this.#emit(this.#buffer.subarray(0, this.#at))
    this.#written += this.#at
    this.#at = 0
  }
}

const extensions = new Map<number, Buffer>()
const mostExtensions = 1000

/** The header of an entry's records, which differ in nothing but their length. */
function extensionHeader(size: number): Buffer {
  const known = extensions.get(size)
  if (known !== undefined) return known
  const header = Buffer.alloc(blockSize)
  const about = { name: 'PaxHeader', target: '', mode: 0o644, uid: 0, gid: 0, major: 0, minor: 0 }
  writeHeader(header, 0, about, 'x', size, 0)
  if (extensions.size < mostExtensions) extensions.set(size, header)
  return header
}

/** nanoseconds */
const longestTime = BigInt(limits.time) * 1_000_000_000n

/** What the header has no room for, in a fixed order. */
function extendedRecords(entry: ArchiveEntry, stored: number): string {
  const { name, target, uid, gid, mtime, data, xattrs } = entry
  let text = ''
  const add = (keyword: string, value: string): void => {
    text += formatPax(keyword, value)
  }
  const isPlain = isAscii(name) && (target === '' || isAscii(target))
  const isLong = (one: string, limit: number): boolean => one.length > limit || !(isPlain || isAscii(one))
  if (!isPlain && !(isText(name) && isText(target))) add('hdrcharset', 'BINARY')
  if (data !== null) {
    add('GNU.sparse.major', '1')
    add('GNU.sparse.minor', '0')
    add('GNU.sparse.name', name)
    add('GNU.sparse.realsize', String(entry.size))
  } else if (isLong(name, limits.name)) add('path', name)
  if (isLong(target, limits.target)) add('linkpath', target)
  if (stored > limits.size) add('size', String(stored))
  if (uid > limits.id) add('uid', String(uid))
  if (gid > limits.id) add('gid', String(gid))
  if (mtime < 0n || mtime > longestTime || mtime % 1_000_000_000n !== 0n) add('mtime', formatTime(mtime))
  if (xattrs.size === 0) return text
  for (const [attribute, value] of [...xattrs].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const acl = aclKeywords[attribute] === undefined ? null : aclToText(value)
    if (acl !== null) add(aclKeywords[attribute]!, acl)
    add(`${xattrPrefix}${keywordName(attribute)}`, value.toString('latin1'))
  }
  return text
}

/** GNU tar's escapes: a keyword has no `=` in it. */
function keywordName(attribute: string): string {
  return attribute.replaceAll('%', '%25').replaceAll('=', '%3D')
}

function isAscii(text: string): boolean {
  return !/[\x80-\xff]/.test(text)
}

function isText(text: string): boolean {
  return isAscii(text) || isUtf8(Buffer.from(text, 'latin1'))
}
