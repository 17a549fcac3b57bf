/** Reads a directory's entries as the kernel has them: byte-true names and their types, without a call for each. */
import type { CName } from './at.ts'
import { check, declare } from './libc.ts'

export interface DirectoryEntry {
  /** Lives in the reader's buffer until the next batch: copy what is kept. */
  readonly name: CName
  /** DT_* */
  readonly type: number
  readonly inode: number
}

const nativeGetdents = declare<[number, Buffer, number], number>(
  'intptr_t getdents64(int fd, void *entries, size_t size)',
)

/** Thousands of names, so that reading them in the order of their inodes pays. */
const BATCH_BYTES = 256 * 1024

const DOT = 0x2e

/**
 * The entries without `.` and `..`, batch by batch, each in the order of inodes, in which they lie on the disk.
 * `fd` is at the directory's beginning. getdents64(2); throws SyscallError.
 */
export function* readEntries(fd: number, buffer: Buffer): Generator<readonly DirectoryEntry[]> {
  for (;;) {
    const length = check(Number(nativeGetdents(fd, buffer, buffer.length)), 'getdents64')
    if (length === 0) return
    yield parseEntries(buffer, length).sort((one, other) => one.inode - other.inode)
  }
}

/** All of them in the order of their names' bytes, and in memory of their own. */
export function readSortedEntries(fd: number, buffer: Buffer): readonly DirectoryEntry[] {
  const entries: DirectoryEntry[] = []
  // Texts are compared much faster than bytes, and these alike. What follows the NUL leads back to the entry.
  const keys: string[] = []
  for (;;) {
    const length = check(Number(nativeGetdents(fd, buffer, buffer.length)), 'getdents64')
    if (length === 0) break
    for (const entry of parseEntries(Buffer.from(buffer.subarray(0, length)), length)) {
      keys.push(entry.name.toString('latin1') + entries.length)
      entries.push(entry)
    }
  }
  return keys.sort().map((key) => entries[Number(key.slice(key.indexOf('\0') + 1))]!)
}

export function entryBuffer(): Buffer {
  return Buffer.alloc(BATCH_BYTES)
}

/** struct linux_dirent64: inode, offset, length of the record, type, name */
function parseEntries(buffer: Buffer, length: number): DirectoryEntry[] {
  const entries: DirectoryEntry[] = []
  for (let at = 0; at < length; ) {
    const size = buffer.readUInt16LE(at + 16)
    const start = at + 19
    if (!isDots(buffer, start)) {
      const name = buffer.subarray(start, buffer.indexOf(0, start) + 1)
      // The order alone depends on it: the upper bits of a large one may be lost.
      const inode = buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * 2 ** 32
      entries.push({ name, type: buffer[at + 18] ?? 0, inode })
    }
    at += size
  }
  return entries
}

function isDots(buffer: Buffer, at: number): boolean {
  if (buffer[at] !== DOT) return false
  return buffer[at + 1] === 0 || (buffer[at + 1] === DOT && buffer[at + 2] === 0)
}
