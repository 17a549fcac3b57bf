/** What the ext4 file system tells and does beyond files: its superblock (Documentation/filesystems/ext4), growth while mounted. */
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { TsnetError } from '../errors.ts'
import { Fd } from './fd.ts'
import { check, declare } from './libc.ts'

const nativeIoctl = declare<[number, number, Buffer], number>(
  'int ioctl(int fd, unsigned long request, const void *argument)',
)

/** _IOW('f', 16, __u64) of fs/ext4/ext4.h, which is in no header for programs. */
const EXT4_IOC_RESIZE_FS = 0x40086610

/** Where the superblock is, and fields of its 1024 bytes. */
const SUPERBLOCK = 1024
const MAGIC = { at: 0x38, value: 0xef53 }

export interface Ext4Space {
  /** bytes; all the others are blocks */
  readonly blockSize: number
  readonly blocks: number
  readonly free: number
  /** Taken by the file system itself: inode tables, bitmaps, journal. */
  readonly overhead: number
}

/**
 * The space of an ext4 image or device by its superblock. While it is mounted the number of free blocks lags behind.
 * Throws kind 'invalid' when the file holds no ext4.
 */
export function readExt4Space(file: string): Ext4Space {
  const superblock = Buffer.alloc(1024)
  const fd = openSync(file, constants.O_RDONLY)
  try {
    readSync(fd, superblock, 0, superblock.length, SUPERBLOCK)
  } finally {
    closeSync(fd)
  }
  if (superblock.readUInt16LE(MAGIC.at) !== MAGIC.value) {
    throw new TsnetError('invalid', 'not-ext4', `${file} holds no ext4 file system`)
  }
  // s_blocks_count_lo and _hi, s_free_blocks_count_lo and _hi, s_log_block_size, s_overhead_clusters
  const wide = (low: number, high: number): number =>
    superblock.readUInt32LE(low) + superblock.readUInt32LE(high) * 2 ** 32
  return {
    blockSize: 1024 << superblock.readUInt32LE(0x18),
    blocks: wide(0x04, 0x150),
    free: wide(0x0c, 0x158),
    overhead: superblock.readUInt32LE(0x248),
  }
}

/** Grows the mounted file system at `path` to as many blocks, in use or not. Throws SyscallError. */
export function growExt4(path: string, blocks: number): void {
  using root = new Fd(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY))
  const wanted = Buffer.alloc(8)
  wanted.writeBigUInt64LE(BigInt(blocks))
  check(nativeIoctl(root.number, EXT4_IOC_RESIZE_FS, wanted), 'ioctl', `EXT4_IOC_RESIZE_FS ${path}`)
}
