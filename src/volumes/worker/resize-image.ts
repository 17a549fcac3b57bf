/** Gives the file system in an image another size, in use or not. */
import { statfsSync, statSync, truncateSync } from 'node:fs'
import { TsnetError } from '../../errors.ts'
import { mountDetached } from '../../sys/detached-mount.ts'
import { growExt4, readExt4Space } from '../../sys/ext4.ts'
import { attachLoop, growLoop, type LoopDevice, openLoopOf } from '../../sys/loop.ts'
import { canGrow, holdBack, imageOptions, reservedBlocks, usedIn } from './image-layout.ts'

export interface ResizeImage {
  readonly image: string
  /** Room for data that there is to be. */
  readonly bytes: number
}

const BLOCK = 4096
/** A group of blocks that cannot hold its own tables is left out: steps that come to nothing become larger. Bytes. */
const GROUP = 8 * 1024 * 1024

/**
 * Safe to repeat, also after one that was cut short. Returns what is used of it, in bytes: where that is more, nothing is
 * changed.
 */
export function resizeImage({ image, bytes }: ResizeImage): number {
  const device = openLoopOf(image) ?? attachLoop(image)
  using _ = device.fd
  // The same file system as where it is mounted, if it is.
  using root = mountDetached('ext4', device.path, imageOptions)
  const path = `/proc/self/fd/${root.number}/.`
  const used = usedIn(path)
  if (used > bytes) return used
  enlarge(image, device, path, bytes)
  holdBack(device.path, path, bytes)
  return used
}

/** What new room costs is seen when it is there: it grows in a few steps. */
function enlarge(image: string, device: LoopDevice, path: string, bytes: number): void {
  for (let attempt = 0; attempt < 8; attempt++) {
    const { blocks } = readExt4Space(device.path)
    const room = roomIn(path, blocks)
    if (room >= bytes) return
    if (!canGrow()) throw cannotGrow(room)
    const grown = blocks + Math.ceil(((bytes - room) * 1.01 + Math.max(0, attempt - 2) * GROUP) / BLOCK)
    if (statSync(image).size < grown * BLOCK) truncateSync(image, grown * BLOCK)
    growLoop(device.path)
    growExt4(path, grown)
  }
}

function cannotGrow(room: number): TsnetError {
  return new TsnetError(
    'unsupported',
    'volume-growth',
    `size: the volume's file system can have ${room} bytes at most: to grow further the daemon needs CAP_SYS_RESOURCE`,
  )
}

function roomIn(path: string, blocks: number): number {
  const { blocks: forData, bsize } = statfsSync(path)
  return (forData - reservedBlocks(blocks)) * bsize
}
