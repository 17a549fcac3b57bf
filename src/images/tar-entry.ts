/**
 * Entries of a layer's archive. Names and attribute values are bytes, not text: they are kept in strings of which each
 * character is one byte (latin1), and become bytes again where the kernel takes them.
 */
import { extract, type Header } from 'tar-stream'
import type { ArchiveEntry, EntryType } from '../archives/entry.ts'
import { type PaxRecords, parsePax as parseRecords, parseTime, xattrPrefix } from '../archives/pax.ts'
import { TsnetError } from '../errors.ts'

/** A sparse file is none that a layer may have. */
export type LayerEntry = Omit<ArchiveEntry, 'data'>

const noRecords: PaxRecords = new Map()
/** The kernel's largest uid and gid; the next number means "no change" to chown(2). */
const largestId = 0xffff_fffe

/** The state of tar-stream's parser that carries PAX headers. */
interface PaxParser {
  readonly _header: { readonly type: string | null }
  _decodeLongHeader(bytes: Buffer): boolean
}

export interface TarReader {
  /** Write the plain archive here. */
  readonly sink: NodeJS.WritableStream
  entries(): AsyncGenerator<{ readonly entry: LayerEntry; readonly body: AsyncIterable<Buffer> }>
}

/** Throws kind 'invalid' for entries that are malformed, 'unsupported' for types that are not known. */
export function openTar(): TarReader {
  // Both options are documented, but not in the package's types.
  const options: object = { filenameEncoding: 'latin1', allowUnknownFormat: true }
  const sink = extract(options)
  let records = noRecords
  // tar-stream takes PAX values for UTF-8 and so destroys binary ones, such as file capabilities: read them here too.
  const parser = sink as unknown as PaxParser
  const decode = parser._decodeLongHeader
  parser._decodeLongHeader = (bytes) => {
    if (parser._header.type === 'pax-header') records = parsePax(bytes.toString('latin1'))
    return decode.call(parser, bytes)
  }
  return {
    sink: sink as unknown as NodeJS.WritableStream,
    async *entries() {
      for await (const body of sink) {
        const entry = toEntry(body.header, records)
        records = noRecords
        yield { entry, body: body as AsyncIterable<Buffer> }
      }
    },
  }
}

/** As the archives' one; throws instead of null. */
export function parsePax(text: string): PaxRecords {
  const records = parseRecords(text)
  if (records === null) throw malformed('extended header', 'its records do not parse')
  return records
}

function malformed(name: string, problem: string): TsnetError {
  return new TsnetError('invalid', 'layer-refused', `layer entry "${name}" is malformed: ${problem}`)
}

function toEntry(header: Header, records: PaxRecords): LayerEntry {
  const name = records.get('path') ?? header.name
  const type = entryType(header, records, name)
  return {
    name,
    type,
    mode: header.mode & 0o7777,
    uid: toId(records.get('uid') ?? header.uid, name),
    gid: toId(records.get('gid') ?? header.gid, name),
    mtime: toNanoseconds(records.get('mtime'), header.mtime, name),
    size: type === 'file' ? header.size : 0,
    target: records.get('linkpath') ?? header.linkname ?? '',
    major: header.devmajor,
    minor: header.devminor,
    xattrs: xattrsOf(records),
  }
}

function entryType(header: Header, records: PaxRecords, name: string): EntryType {
  const sparse = [...records.keys()].some((key) => key.startsWith('GNU.sparse.'))
  const type: string | null = sparse ? null : header.type
  switch (type) {
    case 'file':
    case 'contiguous-file':
      return 'file'
    case 'directory':
    case 'symlink':
    case 'link':
    case 'character-device':
    case 'block-device':
    case 'fifo':
      return type
    default:
      throw new TsnetError(
        'unsupported',
        'layer-refused',
        `layer entry "${name}" is of a type that is not supported, such as a sparse file`,
      )
  }
}

function toId(value: string | number, name: string): number {
  const id = Number(value)
  if (!Number.isInteger(id) || id < 0 || id > largestId)
    throw malformed(name, `${value} is not a user or group id`)
  return id
}

/** PAX has decimal seconds of any precision, the plain header whole ones. */
function toNanoseconds(record: string | undefined, plain: Date, name: string): bigint {
  if (record === undefined) return BigInt(plain.getTime()) * 1_000_000n
  const time = parseTime(record)
  if (time === null) throw malformed(name, `${record} is not a time`)
  return time
}

function xattrsOf(records: PaxRecords): ReadonlyMap<string, Buffer> {
  const attributes = new Map<string, Buffer>()
  for (const [key, value] of records) {
    if (key.startsWith(xattrPrefix))
      attributes.set(key.slice(xattrPrefix.length), Buffer.from(value, 'latin1'))
  }
  return attributes
}
