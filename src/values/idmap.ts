/** How owners on disk are seen through a mount: `[uid:|gid:]DISK:SEEN:COUNT[;…]`. */
import { TsnetError } from '../errors.ts'

/** `count` ids that are `disk`, `disk + 1` … on disk are `seen`, `seen + 1` … in the container. */
export interface IdRange {
  readonly disk: number
  readonly seen: number
  readonly count: number
}

/** A kind without ranges stays as it is on disk. Of a kind with ranges, ids outside of them belong to nobody. */
export interface Idmap {
  readonly uid: readonly IdRange[]
  readonly gid: readonly IdRange[]
}

/** user_namespaces(7): ids are 32 bits wide and -1 is none; there may be 340 ranges of a kind. */
const idCount = 0xffff_ffff
const mostRanges = 340

/** Reads a mapping; an entry without kind is for both. Throws kind 'invalid'. */
export function parseIdmap(text: string): Idmap {
  const entries = text.split(';').map((entry) => parseEntry(entry, text))
  const of = (kind: string): IdRange[] =>
    entries
      .filter((entry) => entry.kind === '' || entry.kind === kind)
      .map(({ disk, seen, count }) => ({ disk, seen, count }))
      .sort((one, other) => one.disk - other.disk)
  const map = { uid: of('uid'), gid: of('gid') }
  for (const ranges of [map.uid, map.gid]) refuseClashes(ranges, text)
  return map
}

/** `uid:1000:0:1;gid:1000:0:1`: equal texts for equal mappings. */
export function formatIdmap({ uid, gid }: Idmap): string {
  const format = (kind: string) => (range: IdRange) => `${kind}:${range.disk}:${range.seen}:${range.count}`
  return [...uid.map(format('uid')), ...gid.map(format('gid'))].join(';')
}

function parseEntry(entry: string, text: string): IdRange & { kind: string } {
  const match = /^(?:(uid|gid):)?(\d{1,10}):(\d{1,10}):(\d{1,10})$/.exec(entry)
  if (match === null) throw bad(text, `'${entry}' is not [uid:|gid:]DISK:SEEN:COUNT, as in 1000:0:1`)
  const [disk = 0, seen = 0, count = 0] = match.slice(2).map(Number)
  if (count === 0) throw bad(text, `'${entry}' maps nothing`)
  if (Math.max(disk, seen) + count > idCount)
    throw bad(text, `'${entry}' goes beyond the last id, ${idCount - 1}`)
  return { kind: match[1] ?? '', disk, seen, count }
}

/** The kernel takes no id twice, on either side. */
function refuseClashes(ranges: readonly IdRange[], text: string): void {
  if (ranges.length > mostRanges) throw bad(text, `there may be ${mostRanges} ranges, not ${ranges.length}`)
  for (const side of ['disk', 'seen'] as const) {
    const sorted = ranges.toSorted((one, other) => one[side] - other[side])
    for (const [index, range] of sorted.entries()) {
      const next = sorted[index + 1]
      if (next === undefined || range[side] + range.count <= next[side]) continue
      throw bad(text, `${next[side]} is ${side === 'disk' ? 'mapped' : 'mapped to'} twice`)
    }
  }
}

function bad(text: string, problem: string): TsnetError {
  return new TsnetError('invalid', 'bad-idmap', `invalid idmap '${text}': ${problem}`)
}
