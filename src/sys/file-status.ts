/**
 * What statx(2) tells of a file, read where the kernel wrote it: a walk over a large tree asks once a file, and makes no
 * object for it. struct statx of <linux/stat.h> is the same on every architecture.
 */
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  STATX_ATTR_MOUNT_ROOT,
} from './constants/stat.ts'

const SIZE = 256

export class FileStatus {
  readonly bytes: Buffer = Buffer.alloc(SIZE)

  /** Its own copy, for what is needed after the next call. */
  clone(): FileStatus {
    const copy = new FileStatus()
    this.bytes.copy(copy.bytes)
    return copy
  }

  get links(): number {
    return this.bytes.readUInt32LE(16)
  }

  get uid(): number {
    return this.bytes.readUInt32LE(20)
  }

  get gid(): number {
    return this.bytes.readUInt32LE(24)
  }

  /** Type and permissions. */
  get mode(): number {
    return this.bytes.readUInt16LE(28)
  }

  get permissions(): number {
    return this.mode & 0o7777
  }

  get isRegular(): boolean {
    return (this.mode & S_IFMT) === S_IFREG
  }

  get isDirectory(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR
  }

  get isLink(): boolean {
    return (this.mode & S_IFMT) === S_IFLNK
  }

  get isSocket(): boolean {
    return (this.mode & S_IFMT) === S_IFSOCK
  }

  get isDevice(): boolean {
    const type = this.mode & S_IFMT
    return type === S_IFCHR || type === S_IFBLK
  }

  /** bytes */
  get length(): number {
    return this.#large(40)
  }

  /** bytes that are taken on the disk */
  get allocated(): number {
    return this.#large(48) * 512
  }

  /** Something is mounted here. */
  get isMountRoot(): boolean {
    return (this.bytes.readUInt32LE(8) & STATX_ATTR_MOUNT_ROOT) !== 0
  }

  /** Tells this file from every other one. */
  get identity(): string {
    return this.bytes.toString('latin1', 136, 144) + this.bytes.toString('latin1', 32, 40)
  }

  /** Nanoseconds since the epoch. */
  get modified(): bigint {
    return this.bytes.readBigInt64LE(112) * 1_000_000_000n + BigInt(this.bytes.readUInt32LE(120))
  }

  get deviceMajor(): number {
    return this.bytes.readUInt32LE(128)
  }

  get deviceMinor(): number {
    return this.bytes.readUInt32LE(132)
  }

  /** Last access and last change as struct timespec[2]; struct statx_timestamp has 32 bits of padding for the upper half. */
  get times(): Buffer {
    const times = Buffer.alloc(32)
    this.bytes.copy(times, 0, 64, 76)
    this.bytes.copy(times, 16, 112, 124)
    return times
  }

  #large(at: number): number {
    return this.bytes.readUInt32LE(at) + this.bytes.readUInt32LE(at + 4) * 2 ** 32
  }
}
