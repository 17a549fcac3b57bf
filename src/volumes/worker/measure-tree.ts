import { type CName, openDirectory, statAt, statOpen } from '../../sys/at.ts'
import { SyscallError } from '../../sys/errno.ts'
import { FileStatus } from '../../sys/file-status.ts'
import { walkTree } from '../../sys/walk-tree.ts'
import type { Context } from './job.ts'

/** Bytes that a tree takes on its disk, what has several names in it once. What is mounted below does not count. */
export function measureTree({ path }: { readonly path: string }, context: Context): number {
  using root = openDirectory(path)
  const seen = new Set<string>()
  const status = new FileStatus()
  statOpen(root.number, status)
  let bytes = status.allocated
  const count = (directory: number, name: CName): boolean => {
    context.progress(bytes, 0)
    if (!find(directory, name, status)) return false
    if (status.isDirectory) return true
    if (status.isMountRoot || (status.links > 1 && seen.has(status.identity))) return false
    if (status.links > 1) seen.add(status.identity)
    bytes += status.allocated
    return false
  }
  const enter = (_name: CName, directory: FileStatus): boolean => {
    if (directory.isMountRoot) return false
    bytes += directory.allocated
    return true
  }
  walkTree(root, { entry: count, enter, leave: () => {} })
  return bytes
}

/** false when it is gone */
function find(directory: number, name: CName, status: FileStatus): boolean {
  try {
    statAt(directory, name, status)
    return true
  } catch (error) {
    if (error instanceof SyscallError && error.errnoName === 'ENOENT') return false
    throw error
  }
}
