/** The ways in which GNU tar stores files with holes ("Sparse Formats" of its manual). */
import type { ByteQueue, Wanting } from './byte-queue.ts'
import type { Refuse, Segment } from './entry.ts'
import type { PaxRecords } from './pax.ts'
import { blockSize, readNumber } from './tar-header.ts'

/** Parts of one file that are kept in memory; more would be data in crumbs of a few bytes. */
const mostSegments = 1_000_000

/** An entry's data, of which this many bytes are read, or fewer at its end. */
interface Data {
  take(length: number): Wanting<Buffer>
}

/** The file's real name, which stands in a record of its own beside that of the stored data. */
export function sparseName(records: PaxRecords): string | undefined {
  return records.get('GNU.sparse.name')
}

/** The file's size and, in the format 0.1, its data's places; null for a file without holes. */
export function readSparseHeader(
  records: PaxRecords,
  name: string,
  refuse: Refuse,
): { readonly size: number; readonly data: readonly Segment[] | null } | null {
  const size = records.get('GNU.sparse.realsize') ?? records.get('GNU.sparse.size')
  if (size === undefined) return null
  const length = toSize(size, name, refuse)
  if (records.get('GNU.sparse.major') === '1') return { size: length, data: null }
  const map = records.get('GNU.sparse.map')
  if (map === undefined) throw refuse(name, 'is a sparse file of a format that is not supported')
  return { size: length, data: toSegments(map.split(','), name, refuse) }
}

/** The format 1.0: numbers, one a line, fill whole blocks before the data. The first says how many pairs follow. */
export function* parseSparseMap(body: Data, name: string, refuse: Refuse): Wanting<readonly Segment[]> {
  const numbers: string[] = []
  let rest = ''
  let wanted = 1
  while (numbers.length < wanted) {
    const block = yield* body.take(blockSize)
    if (block.length < blockSize) throw refuse(name, 'is cut short')
    const lines = (rest + block.toString('latin1')).split('\n')
    rest = lines.pop()!
    numbers.push(...lines)
    if (wanted === 1 && numbers.length > 0) wanted = 1 + 2 * toSize(numbers[0]!, name, refuse)
    if (wanted > 2 * mostSegments || rest.length > blockSize)
      throw refuse(name, 'has a list of its parts that is too long')
  }
  return toSegments(numbers.slice(1, wanted), name, refuse)
}

/** The oldest format: up to four parts in the header, 21 in each further block. */
export function* readGnuSegments(
  header: Buffer,
  input: ByteQueue,
  name: string,
  refuse: Refuse,
): Wanting<{ readonly size: number; readonly data: readonly Segment[] }> {
  const size = readNumber(header, 483, 12)
  const data = segmentsAt(header, 386, 4)
  let isMore = header[482] !== 0
  while (isMore) {
    const block = yield* input.exactly(blockSize)
    if (block.length < blockSize) throw refuse(name, 'is cut short')
    data.push(...segmentsAt(block, 0, 21))
    isMore = block[504] !== 0
    if (data.length > mostSegments) throw refuse(name, 'has a list of its parts that is too long')
  }
  return { size, data: data.filter(({ length }) => length !== 0) }
}

function segmentsAt(block: Buffer, at: number, count: number): Segment[] {
  return Array.from({ length: count }, (_, index) => ({
    offset: readNumber(block, at + index * 24, 12),
    length: readNumber(block, at + index * 24 + 12, 12),
  }))
}

function toSegments(numbers: readonly string[], name: string, refuse: Refuse): Segment[] {
  if (numbers.length > 2 * mostSegments) throw refuse(name, 'has a list of its parts that is too long')
  const segments: Segment[] = []
  for (let index = 0; index + 1 < numbers.length; index += 2) {
    const offset = toSize(numbers[index]!, name, refuse)
    const length = toSize(numbers[index + 1]!, name, refuse)
    // The last one may be empty: it tells where the file ends.
    if (length > 0) segments.push({ offset, length })
  }
  return segments
}

function toSize(text: string, name: string, refuse: Refuse): number {
  const size = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(size)) throw refuse(name, 'has an impossible size')
  return size
}

/** The list of the format 1.0, in whole blocks. An empty part at the end tells GNU tar where a file ends that ends by a hole. */
export function formatSparseMap(data: readonly Segment[], size: number): Buffer {
  const last = data.at(-1)
  const isOpen = last === undefined || last.offset + last.length < size
  const parts = isOpen ? [...data, { offset: size, length: 0 }] : data
  const lines = [parts.length, ...parts.flatMap(({ offset, length }) => [offset, length])].map(
    (n) => `${n}\n`,
  )
  const text = Buffer.from(lines.join(''), 'latin1')
  const padded = Buffer.alloc(Math.ceil(text.length / blockSize) * blockSize)
  text.copy(padded)
  return padded
}
