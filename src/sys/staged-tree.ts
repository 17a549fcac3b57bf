/**
 * Gives a directory other content so that, whenever the process is killed, what is there afterwards is all of the old or all
 * of the new. The new content is built inside the directory itself, on the same file system and under the same quota:
 *
 *     .tsnet-copying      is being built; a kill here leaves the old content
 *     .tsnet-new          is complete
 *     .tsnet-old          takes what was there before
 *     .tsnet-installing   its entries are being moved to their places, then it goes, and .tsnet-old after it
 *
 * Each step is a rename, and the name that is there tells how far it went. An empty directory is filled without the second and
 * third: nothing has to make room, and what others put there meanwhile stays.
 */
import {
  type CName,
  findAt,
  makeDirectoryAt,
  openDirectory,
  openDirectoryAt,
  renameAt,
  setTimes,
  statOpen,
} from './at.ts'
import { RENAME_NOREPLACE } from './constants/fs.ts'
import { copyAttributes } from './copy-attributes.ts'
import { removeXattrs } from './copy-xattrs.ts'
import { entryBuffer, readEntries } from './directory.ts'
import { SyscallError } from './errno.ts'
import { Fd } from './fd.ts'
import { cPath } from './file.ts'
import { FileStatus } from './file-status.ts'
import { lock } from './lock-file.ts'
import { removeTreeAt } from './remove-tree.ts'
import { syncFileSystem } from './sync-file-system.ts'
import { canSetXattr, getXattr, setXattr } from './xattr.ts'

const COPYING = cPath('.tsnet-copying')
const NEW = cPath('.tsnet-new')
const OLD = cPath('.tsnet-old')
const INSTALLING = cPath('.tsnet-installing')
const stages = [COPYING, NEW, OLD, INSTALLING]

/**
 * Tells a stage from what a volume's users call so: they may neither have their own removed nor other content put in place.
 * Only root in the machine's own user namespace can give it; where the file system has no such attributes the name has to do.
 */
const mark = 'trusted.tsnet.stage'

type Directory = string | Buffer | Fd

/**
 * Replaces what is in the directory, and its own attributes, by what `build` puts into the one it is given. When `build` throws,
 * nothing has changed, but that others' entries of the stages' names are gone. Throws SyscallError.
 */
export function replaceTree(directory: Directory, build: (staged: Fd) => void): void {
  using root = openDirectory(directory)
  lock(root)
  settle(root)
  // Others' of these names are part of the old content.
  for (const name of stages) removeTreeAt(root.number, name)
  stage(root, build)
  // All of it is on the disk before the first of the old is gone.
  syncFileSystem(root)
  renameAt(root.number, COPYING, root.number, NEW)
  settle(root)
}

/**
 * Fills the directory as replaceTree() does when it is empty, and returns whether it did. What others made in it meanwhile is
 * kept, and so is what of the new content has the same name.
 */
export function fillEmptyTree(directory: Directory, build: (staged: Fd) => void): boolean {
  using root = openDirectory(directory)
  // Not waited for: programs lock the directory of their data, too.
  if (!isEmpty(root) && !isStaged(root)) return false
  lock(root)
  settle(root)
  if (!isEmpty(root)) return false
  stage(root, build)
  const isFilled = isEmpty(root)
  if (isFilled) renameAt(root.number, COPYING, root.number, INSTALLING)
  settle(root)
  return isFilled
}

/** Ends what a kill interrupted, forward or back; true when there was something to do. Whoever works on it is waited for. */
export function settleStagedTree(directory: Directory): boolean {
  using root = openDirectory(directory)
  if (!isStaged(root)) return false
  lock(root)
  settle(root)
  return true
}

/** Whether there is nothing in the directory but the traces of this module and what is called as `besides`. */
export function isTreeEmpty(directory: Directory, besides: readonly string[] = []): boolean {
  using root = openDirectory(directory)
  return isEmpty(root, besides.map(cPath))
}

function stage(root: Fd, build: (staged: Fd) => void): void {
  using staged = makeStage(root, COPYING)
  try {
    build(staged)
  } catch (error) {
    removeTreeAt(root.number, COPYING)
    throw error
  }
}

function makeStage(root: Fd, name: CName): Fd {
  makeDirectoryAt(root.number, name, 0o700)
  return openMarked(root, name)
}

function openMarked(root: Fd, name: CName): Fd {
  const opened = new Fd(openDirectoryAt(root.number, name))
  try {
    setXattr(opened.number, mark, Buffer.from('1'))
  } catch (error) {
    if (!(error instanceof SyscallError && ['EOPNOTSUPP', 'EPERM'].includes(error.errnoName))) {
      opened.close()
      throw error
    }
  }
  return opened
}

/** From whichever stage is there to the end. */
function settle(root: Fd): void {
  if (isOurs(root, COPYING)) removeTreeAt(root.number, COPYING)
  if (isOurs(root, NEW)) {
    makeRoom(root)
    renameAt(root.number, NEW, root.number, INSTALLING)
  }
  const times = isOurs(root, INSTALLING) ? install(root) : null
  for (const name of stages) if (isOurs(root, name)) removeTreeAt(root.number, name)
  if (times !== null) setTimes(root.number, times)
}

function makeRoom(root: Fd): void {
  using old = openOld(root)
  moveEntries(root, old)
}

function openOld(root: Fd): Fd {
  // A kill may have come before its mark.
  if (isOurs(root, OLD)) return openMarked(root, OLD)
  removeTreeAt(root.number, OLD)
  return makeStage(root, OLD)
}

/** Returns the times that the directory gets when the stages are gone; after a kill half-way they are those of the repair. */
function install(root: Fd): Buffer {
  using staged = new Fd(openDirectoryAt(root.number, INSTALLING))
  const status = new FileStatus()
  statOpen(staged.number, status)
  removeXattrs(root.number)
  copyAttributes(staged.number, root.number, status)
  moveEntries(staged, root)
  return status.times
}

/** Moves all but the stages; what has a namesake there already stays where it is. */
function moveEntries(from: Fd, to: Fd): void {
  // A listing may miss entries while others are moved out of it.
  while (moveListed(from, to) > 0);
}

function moveListed(from: Fd, to: Fd): number {
  using listed = openDirectory(from)
  let moved = 0
  for (const batch of readEntries(listed.number, entryBuffer())) {
    for (const { name } of batch) if (!isStage(name) && move(from, to, name)) moved++
  }
  return moved
}

function move(from: Fd, to: Fd, name: CName): boolean {
  try {
    renameAt(from.number, name, to.number, name, RENAME_NOREPLACE)
    return true
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    if (error.errnoName === 'EEXIST' || error.errnoName === 'ENOENT') return false
    if (error.errnoName !== 'EINVAL') throw error
    // Network file systems cannot refuse to replace.
    if (exists(to, name) !== null) return false
    renameAt(from.number, name, to.number, name)
    return true
  }
}

function isStage(name: CName): boolean {
  return stages.some((stage) => stage.equals(name))
}

function isStaged(root: Fd): boolean {
  return stages.some((name) => isOurs(root, name))
}

function isOurs(root: Fd, stage: CName): boolean {
  return holderOf(root, stage) === 'ours'
}

/** Who has the name of a stage. */
function holderOf(root: Fd, stage: CName): 'nobody' | 'ours' | 'others' {
  const status = exists(root, stage)
  if (status === null) return 'nobody'
  if (!status.isDirectory) return 'others'
  using opened = openStage(root, stage)
  if (opened === null) return 'nobody'
  if (getXattr(opened.number, mark) !== null || !canSetXattr(root.number, mark)) return 'ours'
  // A kill may come before the mark. To put an empty one in the place of all there is would be its loss.
  return (stage === COPYING || stage === OLD) && holdsNothing(opened) ? 'ours' : 'others'
}

/** null when whoever works on it has taken it away just now */
function openStage(root: Fd, stage: CName): Fd | null {
  try {
    return new Fd(openDirectoryAt(root.number, stage))
  } catch (error) {
    if (error instanceof SyscallError && ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(error.errnoName)) return null
    throw error
  }
}

function holdsNothing(directory: Fd): boolean {
  for (const batch of readEntries(directory.number, entryBuffer())) if (batch.length > 0) return false
  return true
}

function exists(directory: Fd, name: CName): FileStatus | null {
  const status = new FileStatus()
  return findAt(directory.number, name, status) ? status : null
}

function isEmpty(root: Fd, besides: readonly CName[] = []): boolean {
  using listed = openDirectory(root)
  for (const batch of readEntries(listed.number, entryBuffer())) {
    const others = batch.filter(({ name }) => !besides.some((one) => one.equals(name)))
    if (others.some(({ name }) => holderOfName(root, name) === 'others')) return false
  }
  return true
}

function holderOfName(root: Fd, name: CName): ReturnType<typeof holderOf> {
  const stage = stages.find((one) => one.equals(name))
  return stage === undefined ? 'others' : holderOf(root, stage)
}
