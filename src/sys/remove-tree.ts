/** Removes a tree of any size without following a link and without touching what is mounted in it. */
import { constants } from 'node:os'
import { type CName, nameText, openDirectoryAt, removeDirectoryAt, statAt, unlinkAt } from './at.ts'
import { SyscallError } from './errno.ts'
import { Fd } from './fd.ts'
import { FileStatus } from './file-status.ts'
import { walkTree } from './walk-tree.ts'

/**
 * Removes all that is in a directory, and leaves itself. Others may remove at the same time. Throws SyscallError naming the
 * path inside, EBUSY for what is mounted on. `onRemoved` is called for each entry.
 */
export function emptyDirectory(root: Fd, onRemoved: () => void = () => {}): void {
  walkTree(root, {
    entry: (directory, name) => {
      onRemoved()
      return !removeFile(directory, name)
    },
    enter: refuseMount,
    leave: (parent, name) => ignoreMissing(() => removeDirectoryAt(parent, name)),
  })
}

/** Removes an entry of a directory with all that is in it; nothing when it is not there. */
export function removeTreeAt(directory: number, name: CName, onRemoved?: () => void): void {
  const status = new FileStatus()
  try {
    statAt(directory, name, status)
  } catch (error) {
    if (isMissing(error)) return
    throw error
  }
  if (status.isDirectory) {
    using root = new Fd(openDirectoryAt(directory, name))
    emptyDirectory(root, onRemoved)
    ignoreMissing(() => removeDirectoryAt(directory, name))
  } else ignoreMissing(() => unlinkAt(directory, name))
}

function refuseMount(name: CName, status: FileStatus): boolean {
  if (status.isMountRoot) throw new SyscallError('rmdir', constants.errno.EBUSY, nameText(name))
  return true
}

/** false for a directory */
function removeFile(directory: number, name: CName): boolean {
  try {
    unlinkAt(directory, name)
  } catch (error) {
    if (error instanceof SyscallError && error.errnoName === 'EISDIR') return false
    if (!isMissing(error)) throw error
  }
  return true
}

function ignoreMissing(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

const isMissing = (error: unknown): boolean => error instanceof SyscallError && error.errnoName === 'ENOENT'
