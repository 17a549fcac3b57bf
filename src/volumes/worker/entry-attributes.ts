/** Owner, mode and extended attributes that an archive's entry has for what is made of it. */
import type { ArchiveEntry } from '../../archives/entry.ts'
import { type CName, setMode, setModeAt, setOwner, setOwnerAt } from '../../sys/at.ts'
import { isErrno } from '../../sys/errno.ts'
import { setXattr } from '../../sys/xattr.ts'

/** Marks that the daemon sets for itself, and what belongs to the host's policy. */
const foreignAttributes = /^(?:trusted\.tsnet\.|security\.(?:selinux|ima|evm)$)/

type Attributes = Pick<ArchiveEntry, 'uid' | 'gid' | 'mode' | 'xattrs'>

/** The owner first, whose change takes set-id bits and capabilities away. Throws SyscallError. */
export function setAttributes(fd: number, { uid, gid, mode, xattrs }: Attributes): void {
  setOwner(fd, uid, gid)
  setMode(fd, mode)
  for (const [attribute, value] of xattrs) applyXattr(fd, attribute, value)
}

/** Of what cannot be opened: a link, which has no mode, or a node. Throws SyscallError. */
export function setAttributesAt(directory: number, name: CName, entry: ArchiveEntry): void {
  setOwnerAt(directory, name, entry.uid, entry.gid)
  if (entry.type !== 'symlink') setModeAt(directory, name, entry.mode)
  const path = Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name.subarray(0, -1)])
  for (const [attribute, value] of entry.xattrs) applyXattr(path, attribute, value)
}

/** `at` is a descriptor, or a path as bytes. Throws SyscallError. */
export function applyXattr(at: number | Buffer, name: string, value: Buffer): void {
  // libc takes it up to a NUL
  if (foreignAttributes.test(name) || name.includes('\0')) return
  try {
    setXattr(at, Buffer.from(name, 'latin1').toString(), value)
  } catch (error) {
    // A lost capability breaks programs; other attributes are passed over where the file system has none.
    if (!isErrno(error, 'EOPNOTSUPP', 'EPERM') || name === 'security.capability') throw error
  }
}
