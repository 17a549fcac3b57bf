/** Namespaces pinned at a file by a bind mount, so that they live without processes (as ip-netns(8) does). */
import { closeSync, mkdirSync, openSync, statSync, unlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { MNT_DETACH } from './constants/mount.ts'
import { SyscallError } from './errno.ts'
import { umount } from './mount.ts'

/** The file to mount on; it must not exist. */
export function makePin(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 })
  closeSync(openSync(path, 'wx', 0o444))
}

/** Whether something is mounted on the file. */
export function isPinned(path: string): boolean {
  const pin = statSync(path, { throwIfNoEntry: false })
  return pin !== undefined && pin.dev !== statSync(dirname(path)).dev
}

/** Unpins and removes; safe to repeat. The kernel frees the namespace when its last process and descriptor are gone. */
export function removePin(path: string): void {
  try {
    umount(path, MNT_DETACH)
  } catch (error) {
    // EINVAL: a leftover file that was never mounted on; ENOENT: gone already
    if (!(error instanceof SyscallError && ['EINVAL', 'ENOENT'].includes(error.errnoName))) throw error
  }
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
