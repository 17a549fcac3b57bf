/**
 * Reads tar archives of every common kind: ustar and pax (POSIX.1-2017, pax(1)), GNU's long names and sparse files
 * (tar(5), "Sparse Formats" of GNU tar's manual), and those from before ustar. The archive may be hostile: whatever it
 * says, memory stays bounded.
 */

import type { TsnetError } from '../errors.ts'
import type { ByteQueue, Wanting } from './byte-queue.ts'
import type { ArchiveEntry, EntryType, Refuse, Segment } from './entry.ts'
import { type PaxRecords, parsePax, parseTime, xattrPrefix } from './pax.ts'
import { aclFromText } from './posix-acl.ts'
import { parseSparseMap, readGnuSegments, readSparseHeader, sparseName } from './sparse.ts'
import { blockSize, isZero, parseHeader, type RawHeader } from './tar-header.ts'

/** An entry, then its data as it is stored, without holes, in pieces that last until the next one is asked for. */
export type TarEvent = ArchiveEntry | Buffer

/** A header that describes the next entry is no longer than this: 256 attributes of the largest size fit. */
const longestExtension = 16 << 20
/** One that describes all that follow: git and others put a few short records there. */
const longestCommon = 64 << 10
const mostCommon = 256
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

/**
 * Yields what is in the archive up to its end mark, and null when it wants a chunk, which is to be pushed to `input`. Throws by
 * `refuse` what is malformed, of an unknown type, or cut short.
 */
export function* parseTar(input: ByteQueue, refuse: Refuse): Generator<TarEvent | null, void, void> {
  let common = noRecords
  let next: Extension = noExtension
  let last: string | null = null
  for (;;) {
    const block = yield* input.exactly(blockSize)
    if (last === null && block.length < blockSize) throw notTar(refuse)
    if (block.length < blockSize) throw refuse(last, 'is followed by nothing: the archive is cut short')
    if (isZero(block)) return
    const header = parseHeader(block)
    if (header === null && last === null) throw notTar(refuse)
    if (header === null) throw refuse(last, 'is followed by something that is no tar header')
    if (header.type === 'g') common = yield* readCommon(input, header, common, refuse)
    else if (header.type === 'x') next = { ...next, records: yield* readRecords(input, header, refuse) }
    else if (header.type === 'L') next = { ...next, name: yield* readGnuText(input, header, refuse) }
    else if (header.type === 'K') next = { ...next, target: yield* readGnuText(input, header, refuse) }
    else {
      const records = common.size === 0 ? next.records : new Map([...common, ...next.records])
      last = sparseName(records) ?? records.get('path') ?? next.name ?? header.name
      const target = records.get('linkpath') ?? next.target ?? header.target
      yield* readEntry(input, { header, block, records, name: last, target }, refuse)
      next = noExtension
    }
  }
}

function notTar(refuse: Refuse): TsnetError {
  return refuse(null, 'is no tar archive: its first 512 bytes are no tar header')
}

/** What headers before an entry's own say of it. */
interface Extension {
  readonly records: PaxRecords
  readonly name?: string
  readonly target?: string
}

const noExtension: Extension = { records: noRecords }

interface Raw {
  readonly header: RawHeader
  readonly block: Buffer
  readonly records: PaxRecords
  readonly name: string
  readonly target: string
}

function* readEntry(input: ByteQueue, raw: Raw, refuse: Refuse): Generator<TarEvent | null, void, void> {
  const { name } = raw
  const body = new Body(input, sizeOf(raw, refuse))
  // a label of the whole archive, of GNU tar
  if (raw.header.type !== 'V') {
    const sparse = yield* readSparse(raw, input, body, refuse)
    yield toEntry(raw, sparse, body.left, refuse)
    for (let part = yield* body.next(); part.length > 0; part = yield* body.next()) yield part
  }
  if (!(yield* body.pass())) throw refuse(name, 'is cut short')
}

function* readRecords(input: ByteQueue, header: RawHeader, refuse: Refuse): Wanting<PaxRecords> {
  const records = parsePax(yield* readExtension(input, header, refuse))
  if (records === null) throw refuse(header.name, 'has an extended header that does not parse')
  return records
}

/** What holds for all entries from here on. Each of them carries it, so it may not grow with every header. */
function* readCommon(
  input: ByteQueue,
  header: RawHeader,
  before: PaxRecords,
  refuse: Refuse,
): Wanting<PaxRecords> {
  if (!(header.size <= longestCommon)) throw refuse(header.name, 'has an extended header that is too long')
  const common = new Map([...before, ...(yield* readRecords(input, header, refuse))])
  if (common.size > mostCommon) throw refuse(header.name, 'has too many records for all entries')
  return common
}

function* readGnuText(input: ByteQueue, header: RawHeader, refuse: Refuse): Wanting<string> {
  return (yield* readExtension(input, header, refuse)).replace(/\0.*$/s, '')
}

function* readExtension(input: ByteQueue, header: RawHeader, refuse: Refuse): Wanting<string> {
  if (!(header.size <= longestExtension)) throw refuse(header.name, 'has an extended header that is too long')
  const text = (yield* input.exactly(header.size)).toString('latin1')
  if (text.length < header.size || !(yield* input.skip(padding(header.size))))
    throw refuse(header.name, 'is cut short')
  return text
}

function padding(size: number): number {
  return (blockSize - (size % blockSize)) % blockSize
}

/** An entry's data in the archive. */
class Body {
  readonly #input: ByteQueue
  readonly #padding: number
  #left: number

  constructor(input: ByteQueue, size: number) {
    this.#input = input
    this.#left = size
    this.#padding = padding(size)
  }

  get left(): number {
    return this.#left
  }

  /** Some bytes; none at the end, which is also where the archive ends too early. */
  *next(): Wanting<Buffer> {
    const part = this.#left === 0 ? nothing : yield* this.#input.some(this.#left)
    this.#left -= part.length
    return part
  }

  /** Exactly as many bytes, or fewer at the end. */
  *take(length: number): Wanting<Buffer> {
    const part = yield* this.#input.exactly(Math.min(length, this.#left))
    this.#left -= part.length
    return part
  }

  /** Goes to the next header; false when the archive ends before. */
  *pass(): Wanting<boolean> {
    return yield* this.#input.skip(this.#left + this.#padding)
  }
}

const nothing = Buffer.alloc(0)

function sizeOf({ header, records, name }: Raw, refuse: Refuse): number {
  const type = types[header.type]
  // Links of some archives tell the size of what they lead to, with nothing stored.
  if (type !== undefined && type !== 'file') return 0
  const size = Number(records.get('size') ?? header.size)
  if (!Number.isSafeInteger(size) || size < 0) throw refuse(name, 'has an impossible size')
  return size
}

/** Where a sparse file's data lies: its list stands in the header, in the records, or before the data. */
function* readSparse(raw: Raw, input: ByteQueue, body: Body, refuse: Refuse): Wanting<Sparse | null> {
  const { header, block, records, name } = raw
  if (header.type === 'S') return yield* readGnuSegments(block, input, name, refuse)
  const sparse = readSparseHeader(records, name, refuse)
  if (sparse === null) return null
  return { size: sparse.size, data: sparse.data ?? (yield* parseSparseMap(body, name, refuse)) }
}

interface Sparse {
  readonly size: number
  readonly data: readonly Segment[]
}

function toEntry(
  { header, records, name, target }: Raw,
  sparse: Sparse | null,
  stored: number,
  refuse: Refuse,
): ArchiveEntry {
  const type = types[header.type]
  if (type === undefined) throw refuse(name, `is of the type "${header.type}", which is not supported`)
  if (sparse !== null) checkSegments(sparse, stored, name, refuse)
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
    size: type === 'file' ? (sparse?.size ?? stored) : 0,
    data: sparse?.data ?? null,
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
