/** A container's root: the image's layers below, its own writes on top, as overlayfs takes them. */
import { chmodSync, mkdirSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MNT_DETACH } from '../sys/constants/mount.ts'
import { SyscallError } from '../sys/errno.ts'
import { umount } from '../sys/mount.ts'
import type { ContainerId } from '../values/id.ts'

/** The directories of an overlay mount; all are absolute but `lower`. */
export interface Rootfs {
  /** Directory to which `lower` is relative: overlayfs takes one page of options. */
  readonly layersDir: string
  /** top first */
  readonly lower: readonly string[]
  readonly upper: string
  readonly work: string
  readonly merged: string
}

/** Where a container's own files are kept. */
function containerDirectory(dataRoot: string, container: ContainerId): string {
  return join(dataRoot, 'containers', container)
}

/**
 * Makes what is missing of a container's root; safe to repeat, and what the container has written stays.
 * `layers` are the image's layer directories, bottom first, as in its record.
 */
export function prepareRootfs(dataRoot: string, container: ContainerId, layers: readonly string[]): Rootfs {
  const directory = containerDirectory(dataRoot, container)
  const rootfs: Rootfs = {
    layersDir: join(dataRoot, 'layers'),
    lower: layers.toReversed(),
    upper: join(directory, 'upper'),
    work: join(directory, 'work'),
    merged: join(directory, 'merged'),
  }
  mkdirSync(directory, { recursive: true, mode: 0o710 })
  const isNew = mkdirSync(rootfs.upper, { recursive: true }) !== undefined
  // The upper directory is the container's `/`, whatever the daemon's umask says.
  if (isNew) chmodSync(rootfs.upper, 0o755)
  for (const path of [rootfs.work, rootfs.merged]) mkdirSync(path, { recursive: true })
  return rootfs
}

/** Removes a container's root with all that it has written; safe to repeat. */
export async function removeRootfs(dataRoot: string, container: ContainerId): Promise<void> {
  const directory = containerDirectory(dataRoot, container)
  unmountIfMounted(join(directory, 'merged'))
  await rm(directory, { recursive: true, force: true })
}

/** The containers that have a directory, whether a record knows them or not. */
export async function listContainerDirs(dataRoot: string): Promise<ContainerId[]> {
  const names = await readdir(join(dataRoot, 'containers')).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return names as ContainerId[]
}

/** The mount lives in the container's own namespace; only a crash at the wrong moment leaves it here. */
function unmountIfMounted(path: string): void {
  try {
    umount(path, MNT_DETACH)
  } catch (error) {
    if (!(error instanceof SyscallError && ['EINVAL', 'ENOENT'].includes(error.errnoName))) throw error
  }
}
