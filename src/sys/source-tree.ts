/**
 * A tree that is only read. What was a file when it was listed may be a device when it is opened, for a container may put one
 * there at any moment, and opening a device is an act upon it, as by which a watchdog begins to count. So the tree is seen
 * through a mount of its own, on which no device can be opened, and reading leaves no mark. Where there can be no such mount
 * it is found out what an entry is before it is opened, which takes twice as long.
 */
import { closeSync, constants } from 'node:fs'
import { release } from 'node:os'
import { type CName, findPlaceAt, openDirectory, reopen, statOpen, tryOpenAt } from './at.ts'
import {
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_RDONLY,
  MS_PRIVATE,
} from './constants/mount.ts'
import { SyscallError } from './errno.ts'
import { Fd } from './fd.ts'
import type { FileStatus } from './file-status.ts'
import { changeMountTree, cloneMountTree } from './mount.ts'

export class SourceTree implements Disposable {
  /** The directory, open for reading. */
  readonly root: Fd
  readonly #mount: Fd | null

  /** A path may lead over links. Throws SyscallError. */
  constructor(directory: string | Buffer | Fd) {
    const opened = openDirectory(directory)
    this.#mount = mountAnew(opened)
    this.root = this.#mount === null ? opened : openDirectory(this.#mount)
    if (this.#mount !== null) opened.close()
  }

  [Symbol.dispose](): void {
    this.root.close()
    this.#mount?.close()
  }

  /** Whether a device that takes the place of a file cannot be opened at all. */
  get refusesDevices(): boolean {
    return this.#mount !== null
  }

  /** A regular file to be read, with its status; -1 when it is no such file, or gone. Throws SyscallError. */
  openFile(directory: number, name: CName, into: FileStatus): number {
    const fd = this.refusesDevices ? tryOpenAt(directory, name, constants.O_RDONLY) : -1
    if (fd < 0) return openWhenRegular(directory, name, into)
    statOpen(fd, into)
    if (into.isRegular) return fd
    closeSync(fd)
    return -1
  }
}

/** null where the kernel is too old, or the caller may not mount. */
function mountAnew(directory: Fd): Fd | null {
  if (!sharesBlocksAcrossMounts()) return null
  try {
    using tree = new DisposableStack()
    const mount = tree.use(cloneMountTree(directory, true))
    const set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME
    changeMountTree(mount, { set, clear: MOUNT_ATTR__ATIME, propagation: MS_PRIVATE, recursive: true })
    tree.move()
    return mount
  } catch (error) {
    if (error instanceof SyscallError) return null
    throw error
  }
}

/** Before Linux 5.18 a copy of what is read by another mount would share no blocks with it (ioctl_ficlone(2)). */
function sharesBlocksAcrossMounts(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number)
  return major > 5 || (major === 5 && minor >= 18)
}

/** By way of a descriptor that stands for whatever is there. Needs /proc. */
function openWhenRegular(directory: number, name: CName, into: FileStatus): number {
  const found = findPlaceAt(directory, name)
  if (found < 0) return -1
  using place = new Fd(found)
  statOpen(place.number, into)
  return into.isRegular ? reopen(place.number, constants.O_RDONLY, name) : -1
}
