/** Owner, permissions, extended attributes and times of an open file, given to another. */
import { setMode, setOwner, setTimes } from './at.ts'
import { copyXattrs } from './copy-xattrs.ts'
import type { FileStatus } from './file-status.ts'

/** All but extended attributes; `to` is open for reading or writing. The owner first, whose change takes set-id bits away. */
export function applyStatus(to: number, status: FileStatus): void {
  setOwner(to, status.uid, status.gid)
  setMode(to, status.permissions)
  setTimes(to, status.times)
}

/** `status` is that of `from`. The owner first, whose change takes capabilities away too; the times last. */
export function copyAttributes(from: number, to: number, status: FileStatus): void {
  setOwner(to, status.uid, status.gid)
  setMode(to, status.permissions)
  copyXattrs(from, to)
  setTimes(to, status.times)
}

/** The same for a regular file that was made with the owner and the permissions that it has in the end, but for set-id bits. */
export function copyFileAttributes(from: number, to: number, status: FileStatus): void {
  if (status.permissions > 0o777) setMode(to, status.permissions)
  copyXattrs(from, to)
  setTimes(to, status.times)
}
