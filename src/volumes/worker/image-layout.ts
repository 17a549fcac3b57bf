/** What those who make, mount and resize the ext4 images of volumes have to agree on. */
import { readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { availableCapabilities } from '../../sys/caps.ts'

/**
 * Space of deleted files goes back to the host (discard); inode tables of a fresh file are zero already (noinit_itable); an
 * image that is broken is not written to any more.
 */
export const imageOptions = 'errors=remount-ro,discard,noinit_itable'

/** Without CAP_SYS_RESOURCE, which many a container around the daemon lacks, the kernel lets no ext4 grow. */
export function canGrow(): boolean {
  return availableCapabilities().includes('SYS_RESOURCE')
}

/** Blocks that ext4 keeps for its own bookkeeping, out of everybody's reach (ext4_calculate_resv_clusters). */
export function reservedBlocks(blocks: number): number {
  return Math.min(Math.floor(blocks / 50), 4096)
}

/** bytes of data in the file system that `root` leads to */
export function usedIn(root: string): number {
  const { blocks, bfree, bsize } = statfsSync(root)
  return (blocks - bfree) * bsize
}

/**
 * Of a file system that has more room than `bytes` the rest is kept from everybody, root included. The kernel forgets that
 * when the file system is unmounted. `device` is its loop device, `root` leads to where it is mounted.
 */
export function holdBack(device: string, root: string, bytes: number): void {
  const { blocks, bsize } = statfsSync(root)
  const setting = `/sys/fs/ext4/${basename(device)}/reserved_clusters`
  const held = Math.max(blocks - Math.ceil(bytes / bsize), reservedBlocks(blocks))
  if (Number(readFileSync(setting, 'utf8')) !== held) writeFileSync(setting, `${held}`)
}
