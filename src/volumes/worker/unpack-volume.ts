import { ByteQueue } from '../../archives/byte-queue.ts'
import { parseTar } from '../../archives/tar-reader.ts'
import { TsnetError } from '../../errors.ts'
import { openDirectory, setMode, setOwner, statOpen } from '../../sys/at.ts'
import { removeXattrs } from '../../sys/copy-xattrs.ts'
import { SyscallError } from '../../sys/errno.ts'
import type { Fd } from '../../sys/fd.ts'
import { FileStatus } from '../../sys/file-status.ts'
import { replaceTree } from '../../sys/staged-tree.ts'
import { ArchiveFile } from './archive-file.ts'
import type { Context } from './job.ts'
import { refuse } from './refuse.ts'
import { UnpackedTree } from './unpacked-tree.ts'

export interface UnpackVolume {
  readonly archive: string
  /** of the volume's data */
  readonly root: string
  /** The most bytes of all files; null for what there is room for. */
  readonly maxSize: number | null
  readonly maxEntries: number
  /** The volume has a size limit: what is free there is nobody else's. */
  readonly isLimited: boolean
}

export interface Unpacked {
  readonly entries: number
  /** bytes of all files */
  readonly bytes: number
}

/** bytes behind the end of an archive that are looked at; tar(1) fills up its last 10 KiB */
const mostBehind = 16 << 20

/**
 * Gives a volume the content of an archive; nothing has changed when that fails. Throws kind 'invalid' for a hostile or broken
 * one, 'unavailable' when there is no room for it.
 */
export function unpackVolume(request: UnpackVolume, context: Context): Unpacked {
  using file = new ArchiveFile(request.archive)
  const status = new FileStatus()
  using root = openDirectory(request.root)
  statOpen(root.number, status)
  let unpacked: Unpacked = { entries: 0, bytes: 0 }
  replaceTree(root, (staged) => {
    // An archive need not say how the directory itself is.
    removeXattrs(staged.number)
    setOwner(staged.number, status.uid, status.gid)
    setMode(staged.number, status.permissions)
    unpacked = unpack(file, staged, request, context)
  })
  return unpacked
}

function unpack(file: ArchiveFile, staged: Fd, request: UnpackVolume, context: Context): Unpacked {
  const umask = process.umask(0)
  try {
    using tree = new UnpackedTree(staged, request)
    using plain = file.openPlain()
    const input = new ByteQueue()
    for (const event of parseTar(input, refuse)) {
      if (event === null) {
        input.push(plain.next())
        context.progress(file.done, file.size)
      } else if (Buffer.isBuffer(event)) tree.write(event)
      else tree.add(event)
    }
    tree.finish()
    readOn(plain)
    const { entries, bytes } = tree.room
    if (file.seal !== null && file.seal.entries !== entries)
      throw refuse('the last', `is the ${entries}th, but ${file.seal.entries} were exported`)
    return { entries, bytes }
  } catch (error) {
    throw explain(error)
  } finally {
    process.umask(umask)
  }
}

/** What follows the end is not needed, but tells whether the compressed file is whole. */
function readOn(plain: { next(): Buffer }): void {
  for (let left = mostBehind; left > 0; ) {
    const { length } = plain.next()
    if (length === 0) return
    left -= length
  }
}

function explain(error: unknown): unknown {
  const name = error instanceof SyscallError ? error.errnoName : (error as NodeJS.ErrnoException).code
  if (name !== 'ENOSPC' && name !== 'EDQUOT') return error
  return new TsnetError(
    'unavailable',
    'no-space',
    'the archive does not fit: no space left on the file system of the volume',
  )
}
