/** Gives the file system in an image another size, in use or not. */
import { statfsSync, statSync, truncateSync } from 'node:fs'
import { TsnetError } from '../../errors.ts'
import { mountDetached } from '../../sys/detached-mount.ts'
import { growExt4 } from '../../sys/ext4.ts'
import { attachLoop, growLoop, type LoopDevice, openLoopOf } from '../../sys/loop.ts'
import { canGrow, holdBack, imageOptions, reservedBlocks } from './image-layout.ts'

export interface ResizeImage {
  readonly image: string
  /** Room for data that there is to be. */
  readonly bytes: number
}

const BLOCK = 4096

/** Safe to repeat, also after one that was cut short. */
export function resizeImage({ image, bytes }: ResizeImage): void {
  const device = openLoopOf(image) ?? attachLoop(image)
  using _ = device.fd
  // The same file system as where it is mounted, if it is.
  using root = mountDetached('ext4', device.path, imageOptions)
  const path = `/proc/self/fd/${root.number}/.`
  enlarge(image, device, path, bytes)
  holdBack(device.path, path, bytes)
}

/** What new room costs is seen when it is there: it grows in a few steps. */
function enlarge(image: string, device: LoopDevice, path: string, bytes: number): void {
  for (let attempt = 0; attempt < 8; attempt++) {
    const { size } = statSync(image)
    const room = roomIn(path, size / BLOCK)
    if (room >= bytes) return
    if (!canGrow()) throw cannotGrow(room)
    const grown = Math.ceil((size + (bytes - room) * 1.01) / BLOCK) * BLOCK
    truncateSync(image, grown)
    growLoop(device.path)
    growExt4(path, grown / BLOCK)
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
