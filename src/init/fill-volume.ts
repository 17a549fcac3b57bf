/**
 * Gives an empty volume what the image has at its target. It becomes visible when it is whole: a container that starts at the
 * same time waits for it, and what a kill leaves is repaired by the next start with that volume.
 */
import { chownSync, fstatSync, statfsSync } from 'node:fs'
import { openDirectory, statAt } from '../sys/at.ts'
import { copyTree } from '../sys/copy-tree.ts'
import { SyscallError } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { FileStatus } from '../sys/file-status.ts'
import { fillEmptyTree, settleStagedTree } from '../sys/staged-tree.ts'
import { walkTree } from '../sys/walk-tree.ts'
import { type OpenSource, tell } from './sources.ts'
import { StartError } from './start-error.ts'
import type { FilledVolume } from './steps.ts'
import { findTarget, refuseProc } from './targets.ts'

export function fillVolume(volume: OpenSource, wanted: FilledVolume): void {
  if (!volume.directory) return
  tell('wait', wanted.index)
  using image = wanted.fill ? findDirectory(wanted.target) : null
  try {
    if (image === null) settleStagedTree(volume.tree)
    else fillEmptyTree(volume.tree, (staged) => copyImage(image, staged, volume, wanted))
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    // Nothing can be put into a read-only file system, and nobody expects it.
    if (error.errnoName === 'EROFS') return
    throw image === null ? error : explain(error, image, volume, wanted.target)
  }
}

/** null where the image has none */
function findDirectory(target: string): Fd | null {
  const place = findTarget(target)
  if (place === null) return null
  refuseProc(target, place)
  if (fstatSync(place.number).isDirectory()) return place
  place.close()
  return null
}

function copyImage(image: Fd, staged: Fd, volume: OpenSource, { index, keepOwner }: FilledVolume): void {
  let told = -1
  const progress = (): void => {
    // Being told costs as much as a small file's copy.
    const second = Math.floor(process.uptime())
    if (second === told) return
    told = second
    tell('copy', index, ` ${second % 1_000_000}`)
  }
  progress()
  copyTree(image, staged, { progress })
  if (!keepOwner) return
  const { uid, gid } = fstatSync(volume.tree.number)
  chownSync(`/proc/self/fd/${staged.number}`, uid, gid)
}

function explain(error: SyscallError, image: Fd, volume: OpenSource, target: string): Error {
  const { path } = volume.source
  if (['ENOSPC', 'EDQUOT'].includes(error.errnoName)) {
    const needed = formatSize(sizeOf(image))
    const { bavail, bsize } = statfsSync(`/proc/self/fd/${volume.tree.number}`)
    return new StartError(
      `no space left in ${path} for what the image has at ${target}: ${needed} needed, ${formatSize(bavail * bsize)} free`,
    )
  }
  if (volume.source.mapping !== null && ['EOVERFLOW', 'EINVAL', 'EACCES'].includes(error.errnoName)) {
    return new StartError(
      `what the image has at ${target} has owners to whom the mount's idmap gives no place on disk (${error.message}): map them too, or give volume-nocopy`,
    )
  }
  return new StartError(`copying what the image has at ${target} into ${path}: ${error.message}`)
}

/** bytes on disk of all that is in a directory */
function sizeOf(directory: Fd): number {
  using root = openDirectory(directory)
  const status = new FileStatus()
  let bytes = 0
  walkTree(root, {
    entry: (parent, name) => {
      statAt(parent, name, status)
      if (!status.isDirectory) bytes += status.allocated
      return status.isDirectory
    },
    enter: (_, entered) => {
      bytes += entered.allocated
      return true
    },
    leave: () => {},
  })
  return bytes
}

function formatSize(bytes: number): string {
  return bytes < 1_048_576 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 1_048_576).toFixed(1)} MiB`
}
