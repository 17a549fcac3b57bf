/**
 * Reads tar archives of every common kind: ustar and pax (POSIX.1-2017, pax(1)), GNU's long names and sparse files
 * (tar(5), "Sparse Formats" of GNU tar's manual), and those from before ustar. The archive may be hostile: whatever it
 * says, memory stays bounded.
 */

import { ByteSource } from './byte-source.ts'
import type { ArchiveEntry, EntryType, Refuse, Segment } from './entry.ts'
import { type PaxRecords, parsePax, parseTime, xattrPrefix } from './pax.ts'
import { aclFromText } from './posix-acl.ts'
import { parseSparseMap, readGnuSegments, readSparseHeader, sparseName } from './sparse.ts'
import { blockSize, isZero, parseHeader, type RawHeader } from './tar-header.ts'

export interface ReadEntry {
  readonly entry: ArchiveEntry
  /** The data as it is stored, without holes. What is not read of it is passed over. */
  readonly body: AsyncIterable<Buffer>
}

/** A header that describes the next entry is no longer than this: 256 attributes of the largest size fit. */
const longestExtension = 16 << 20
/** The kernel's largest uid and gid; the next number means "no change" to chown(2). */
const largestId = 0xffff_fffe

const noRecords: PaxRecords = new Map()

const types: Readonly<Record<string, EntryType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
  S: 'file',
}

/** Yields the entries up to the end mark. Throws by `refuse` what is malformed, of an unknown type, or cut short. */
export async function* readTar(source: AsyncIterable<Buffer>, refuse: Refuse): AsyncGenerator<ReadEntry> {
  const bytes = new ByteSource(source)
  let common = noRecords
  let own = noRecords
  let gnu: { name?: string; target?: string } = {}
  let last = 'the first'
  for (;;) {
    const block = await bytes.exactly(blockSize)
    if (block.length < blockSize) throw refuse(last, 'is followed by nothing: the archive is cut short')
    if (isZero(block)) return
    const header = parseHeader(block)
    if (header === null) throw refuse(last, 'is followed by something that is no tar header')
    if ('xgLK'.includes(header.type)) {
      const text = await readExtension(bytes, header, refuse)
      if (header.type === 'L') gnu = { ...gnu, name: text.replace(/\0.*$/s, '') }
      else if (header.type === 'K') gnu = { ...gnu, target: text.replace(/\0.*$/s, '') }
      else {
        const records = parsePax(text)
        if (records === null) throw refuse(last, 'is followed by an extended header that does not parse')
        if (header.type === 'x') own = records
        else common = new Map([...common, ...records])
      }
      continue
    }
    const records = common.size === 0 ? own : new Map([...common, ...own])
    const name = sparseName(records) ?? records.get('path') ?? gnu.name ?? header.name
    last = name
    const body = new Body(bytes, sizeOf(header, records, name, refuse))
    // a label of the whole archive, of GNU tar
    if (header.type !== 'V') {
      const target = records.get('linkpath') ?? gnu.target ?? header.target
      const data = await readSegments(header, block, records, bytes, body, name, refuse)
      yield { entry: toEntry({ header, records, name, target, data, stored: body.left }, refuse), body }
    }
    if (!(await body.pass())) throw refuse(last, 'is cut short')
    own = noRecords
    gnu = {}
  }
}

async function readExtension(bytes: ByteSource, header: RawHeader, refuse: Refuse): Promise<string> {
  if (!(header.size <= longestExtension)) throw refuse(header.name, 'has an extended header that is too long')
  const content = Buffer.from(await bytes.exactly(header.size)).toString('latin1')
  if (content.length < header.size || !(await bytes.skip(padding(header.size))))
    throw refuse(header.name, 'is cut short')
  return content
}

function padding(size: number): number {
  return (blockSize - (size % blockSize)) % blockSize
}

/** An entry's data in the archive. */
class Body implements AsyncIterable<Buffer> {
  readonly #bytes: ByteSource
  readonly #padding: number
  #left: number
  #isCut = false

  constructor(bytes: ByteSource, size: number) {
    this.#bytes = bytes
    this.#left = size
    this.#padding = padding(size)
  }

  get left(): number {
    return this.#left
  }

  /** Some bytes; null at the end, which is also where the archive ends too early. */
  async next(): Promise<Buffer | null> {
    if (this.#left === 0) return null
    const part = await this.#bytes.some(this.#left)
    if (part === null) {
      this.#isCut = true
      return null
    }
    this.#left -= part.length
    return part
  }

  /** Exactly as many bytes, or fewer at the end. */
  async take(length: number): Promise<Buffer> {
    const part = await this.#bytes.exactly(Math.min(length, this.#left))
    this.#left -= part.length
    return part
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (let part = await this.next(); part !== null; part = await this.next()) yield part
  }

  /** Goes to the next header; false when the archive ends before. */
  async pass(): Promise<boolean> {
    return !this.#isCut && (await this.#bytes.skip(this.#left + this.#padding))
  }
}

function sizeOf(header: RawHeader, records: PaxRecords, name: string, refuse: Refuse): number {
  const type = types[header.type]
  // Links of some archives tell the size of what they lead to, with nothing stored.
  if (type !== undefined && type !== 'file') return 0
  const size = Number(records.get('size') ?? header.size)
  if (!Number.isSafeInteger(size) || size < 0) throw refuse(name, 'has an impossible size')
  return size
}

/** Where a sparse file's data lies: its list stands in the header, in the records, or before the data. */
async function readSegments(
  header: RawHeader,
  block: Buffer,
  records: PaxRecords,
  bytes: ByteSource,
  body: Body,
  name: string,
  refuse: Refuse,
): Promise<Sparse | null> {
  if (header.type === 'S') return await readGnuSegments(block, bytes, name, refuse)
  const sparse = readSparseHeader(records, name, refuse)
  if (sparse === null) return null
  return { size: sparse.size, data: sparse.data ?? (await parseSparseMap(body, name, refuse)) }
}

interface Sparse {
  readonly size: number
  readonly data: readonly Segment[]
}

interface Parts {
  readonly header: RawHeader
  readonly records: PaxRecords
  readonly name: string
  readonly target: string
  readonly data: Sparse | null
  /** bytes of data that follow */
  readonly stored: number
}

function toEntry({ header, records, name, target, data, stored }: Parts, refuse: Refuse): ArchiveEntry {
  const type = types[header.type]
  if (type === undefined) throw refuse(name, `is of the type "${header.type}", which is not supported`)
  if (data !== null) checkSegments(data, stored, name, refuse)
  const time = records.get('mtime')
  const mtime = time === undefined ? BigInt(header.mtime) * 1_000_000_000n : parseTime(time)
  if (mtime === null) throw refuse(name, `is malformed: ${time} is not a time`)
  return {
    name,
    // Before ustar a slash at the end made a directory.
    type: type === 'file' && name.endsWith('/') ? 'directory' : type,
    mode: header.mode & 0o7777,
    uid: toId(records.get('uid') ?? header.uid, name, refuse),
    gid: toId(records.get('gid') ?? header.gid, name, refuse),
    mtime,
    size: type === 'file' ? (data?.size ?? stored) : 0,
    data: data?.data ?? null,
    target: type === 'link' || type === 'symlink' ? target : '',
    major: header.major,
    minor: header.minor,
    xattrs: xattrsOf(records, name, refuse),
  }
}

/** In order, beside each other, within the file, and as long together as what is stored. */
function checkSegments({ size, data }: Sparse, stored: number, name: string, refuse: Refuse): void {
  let end = 0
  let sum = 0
  for (const { offset, length } of data) {
    if (offset < end || length < 0) throw refuse(name, 'has a list of its parts that contradicts itself')
    end = offset + length
    sum += length
  }
  if (!(end <= size) || sum !== stored) throw refuse(name, 'has a list of its parts that is not true')
}

function toId(value: string | number, name: string, refuse: Refuse): number {
  const id = Number(value)
  if (!Number.isInteger(id) || id < 0 || id > largestId)
    throw refuse(name, `is malformed: ${value} is not a user or group id`)
  return id
}

/** GNU tar and others write an ACL as text beside the attributes; both say the same. */
const aclKeywords: readonly (readonly [keyword: string, attribute: string])[] = [
  ['SCHILY.acl.access', 'system.posix_acl_access'],
  ['SCHILY.acl.default', 'system.posix_acl_default'],
]

function xattrsOf(records: PaxRecords, name: string, refuse: Refuse): ReadonlyMap<string, Buffer> {
  const attributes = new Map<string, Buffer>()
  for (const [keyword, attribute] of aclKeywords) {
    const text = records.get(keyword)
    if (text === undefined || text === '') continue
    const acl = aclFromText(text)
    if (acl === null) throw refuse(name, `has an access control list that is not understood: ${text}`)
    attributes.set(attribute, acl)
  }
  for (const [key, value] of records) {
    if (key.startsWith(xattrPrefix)) attributes.set(attributeName(key), Buffer.from(value, 'latin1'))
  }
  return attributes
}

/** A keyword has no `=` in it: GNU tar writes such an attribute's name with escapes. */
function attributeName(keyword: string): string {
  return keyword.slice(xattrPrefix.length).replaceAll('%3D', '=').replaceAll('%25', '%')
}
