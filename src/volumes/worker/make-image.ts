/** Makes a sparse file that holds an ext4 file system with as much room as asked for. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { TsnetError } from '../../errors.ts'
import { mountDetached } from '../../sys/detached-mount.ts'
import { type Ext4Space, readExt4Space } from '../../sys/ext4.ts'
import { attachLoop } from '../../sys/loop.ts'
import { canGrow, imageOptions, reservedBlocks } from './image-layout.ts'

export interface MakeImage {
  readonly image: string
  /** of data */
  readonly bytes: number
  /** At least as many files fit; 0 for what suits the size. */
  readonly inodes: number
  /** Owner of the root directory. */
  readonly uid: number
  readonly gid: number
}

const MIB = 1024 * 1024
const BLOCK = 4096
const INODE = 256

/** Where no file system can grow it is made larger than asked for by this much; whoever mounts it holds the rest back. */
const GROWTH = 16
/** Files of the host's own file system are not larger than this: 8 TiB. */
const LARGEST = 2 ** 43

/** What is made takes its name when it is whole: a file of that name is complete. */
export function makeImage(wanted: MakeImage): void {
  const unfinished = `${wanted.image}.new`
  rmSync(unfinished, { force: true })
  try {
    formatToFit(unfinished, { ...wanted, bytes: capacityFor(wanted.bytes) })
    prepareRoot(unfinished, wanted)
    flush(unfinished)
    renameSync(unfinished, wanted.image)
    flush(dirname(wanted.image))
  } catch (error) {
    rmSync(unfinished, { force: true })
    throw error
  }
}

/** A power cut leaves it as it is now. */
function flush(path: string): void {
  const fd = openSync(path, 'r')
  fsyncSync(fd)
  closeSync(fd)
}

function capacityFor(bytes: number): number {
  return canGrow() ? bytes : Math.max(bytes, Math.min(bytes * GROWTH, LARGEST))
}

/**
 * What the file system takes for itself depends on the size in steps: the first size is a guess, and what it lacks or has too
 * much is added to the next.
 */
function formatToFit(file: string, wanted: MakeImage): void {
  const slack = wanted.bytes / 100
  let size = firstGuess(wanted)
  for (let attempt = 0; attempt < 4; attempt++) {
    format(file, Math.ceil(size / BLOCK) * BLOCK, wanted)
    const spare = roomIn(readExt4Space(file)) - wanted.bytes
    if (spare >= 0 && spare <= slack) return
    size += slack / 2 - spare
  }
}

function firstGuess({ bytes, inodes }: MakeImage): number {
  const tables = Math.max(inodes, bytes / bytesPerInode(bytes)) * INODE
  return 1.025 * (bytes + tables) + journalOf(bytes)
}

function roomIn({ blockSize, blocks, free }: Ext4Space): number {
  return (free - reservedBlocks(blocks)) * blockSize
}

function bytesPerInode(bytes: number): number {
  return bytes < 1024 * MIB ? 8192 : 16384
}

/** Enough for metadata alone to be logged: 4 MiB, what a file system must have, to 64 MiB. */
function journalOf(bytes: number): number {
  const share = 2 ** Math.floor(Math.log2(bytes / 64 / MIB))
  return Math.min(Math.max(share, 4), 64) * MIB
}

/**
 * Nothing is written that is zero already, so that the file takes next to no space; all room is for everybody (-m 0).
 * Settings of /etc/mke2fs.conf for small file systems are overruled: inodes of 128 bytes end in 2038.
 */
function format(file: string, size: number, { bytes, inodes, uid, gid }: MakeImage): void {
  const fd = openSync(file, 'w', 0o600)
  ftruncateSync(fd, size)
  closeSync(fd)
  const files = inodes > 0 ? ['-N', `${inodes + RESERVED_INODES}`] : ['-i', `${bytesPerInode(bytes)}`]
  const extended = `root_owner=${uid}:${gid},lazy_itable_init=1,lazy_journal_init=1,nodiscard`
  const layout = ['-b', `${BLOCK}`, '-I', `${INODE}`, ...files, '-J', `size=${journalOf(bytes) / MIB}`]
  mkfs(['-q', '-F', '-m', '0', ...layout, '-E', extended, file])
}

/** Inodes up to 10 are the file system's own. */
const RESERVED_INODES = 10

function mkfs(args: readonly string[]): void {
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`
  const { error, status, stderr } = spawnSync('mkfs.ext4', args, {
    env: { PATH: path, LC_ALL: 'C' },
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') {
    throw new TsnetError(
      'unsupported',
      'mkfs-missing',
      'size: mkfs.ext4 is not in PATH: install e2fsprogs, or mount the data root with project quota (prjquota)',
    )
  }
  if (error !== undefined) throw error
  if (status === 0) return
  throw new TsnetError(
    'unavailable',
    'mkfs-failed',
    `mkfs.ext4 failed: ${stderr.trim().replaceAll('\n', '; ')}`,
  )
}

/** An empty volume is empty: without lost+found. fsck makes it again when it has to put something there. */
function prepareRoot(file: string, { uid, gid }: MakeImage): void {
  const device = attachLoop(file)
  using _ = device.fd
  using root = mountDetached('ext4', device.path, imageOptions)
  const path = `/proc/self/fd/${root.number}`
  rmdirSync(`${path}/lost+found`)
  chmodSync(`${path}/.`, 0o755)
  chownSync(`${path}/.`, uid, gid)
}
