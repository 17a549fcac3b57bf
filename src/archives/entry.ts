/**
 * Entries of tar archives. Names, link targets and keywords are bytes, not text: they are kept in strings of which each
 * character is one byte (latin1), and become bytes again where the kernel takes them.
 */
import type { TsnetError } from '../errors.ts'

export type EntryType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'link'
  | 'character-device'
  | 'block-device'
  | 'fifo'

/** A part of a sparse file that holds data, in bytes. */
export interface Segment {
  readonly offset: number
  readonly length: number
}

export interface ArchiveEntry {
  readonly name: string
  readonly type: EntryType
  /** permission bits with set-user-id, set-group-id and sticky */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** nanoseconds since the epoch */
  readonly mtime: bigint
  /** bytes of a file, with its holes */
  readonly size: number
  /** Where a sparse file's data lies, in order; null for a file that is stored whole. */
  readonly data: readonly Segment[] | null
  /** a link's target, '' for other types */
  readonly target: string
  readonly major: number
  readonly minor: number
  readonly xattrs: ReadonlyMap<string, Buffer>
}

/** Makes the refusal of an entry, or of the archive where there is none (null), in the words of whoever reads it. */
export type Refuse = (name: string | null, problem: string) => TsnetError

/** PATH_MAX and NAME_MAX of <linux/limits.h>, without the NUL */
const longestPath = 4095
const longestName = 255

/** Names of an entry's path below the root, from which an absolute one starts too. Throws for those that lead out by `..`. */
export function splitName(name: string, refuse: Refuse, longest = longestPath): string[] {
  if (name.includes('\0') || name.length > longest) throw refuse(name.slice(0, 80), 'has an impossible name')
  const parts: string[] = []
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue
    if (part.length > longestName) throw refuse(name.slice(0, 80), 'has an impossible name')
    if (part !== '..') parts.push(part)
    else if (parts.pop() === undefined) throw refuse(name, 'leads out of the archive by ".."')
  }
  return parts
}

/** bytes of the entry's data in the archive */
export function storedSize({ size, data }: Pick<ArchiveEntry, 'size' | 'data'>): number {
  return data === null ? size : data.reduce((sum, { length }) => sum + length, 0)
}
