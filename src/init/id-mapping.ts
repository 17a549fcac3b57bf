/** Owners as another user namespace maps them, on a mount's tree alone (MOUNT_ATTR_IDMAP, mount_setattr(2)). */
import { chownSync, fstatSync, openSync } from 'node:fs'
import { SyscallError } from '../sys/errno.ts'
import { Fd } from '../sys/fd.ts'
import { changeMountTree, cloneMountTree, openPlace } from '../sys/mount.ts'
import { type MountEntry, mountOf, readMounts } from '../sys/mountinfo.ts'
import { isTreeEmpty } from '../sys/staged-tree.ts'
import { StartError } from './start-error.ts'
import type { MountSource, Owner, OwnerMapping } from './steps.ts'

/** Throws StartError naming the file system that has no such thing. */
export function applyMapping(source: MountSource, mapping: OwnerMapping, place: Fd, tree: Fd): void {
  if (mapping.root !== null) handOver(place, mapping.root)
  using userNamespace = new Fd(openSync(mapping.userNamespace, 'r'))
  try {
    changeMountTree(tree, { userNamespace, recursive: source.recursive })
  } catch (error) {
    throw explain(source, userNamespace, error)
  }
}

/** A new volume is root's, who may not be mapped: nobody could put anything into it. */
function handOver(place: Fd, { uid, gid }: Owner): void {
  const { uid: present } = fstatSync(place.number)
  if (present === 0 && isTreeEmpty(place)) chownSync(`/proc/self/fd/${place.number}`, uid, gid)
}

function explain(source: MountSource, userNamespace: Fd, error: unknown): unknown {
  if (!(error instanceof SyscallError && ['EINVAL', 'EPERM', 'ENOSYS'].includes(error.errnoName)))
    return error
  const mount = mountsOf(source).find((candidate) => !canMap(candidate.target, userNamespace))
  if (mount === undefined) return error
  const below = mount.target.startsWith(`${source.path}/`)
    ? `${mount.target} below ${source.path}`
    : source.path
  const instead = below === source.path ? '' : ', or leave the mounts below out with bind-recursive=disabled'
  return new StartError(
    `idmap: ${below} is on ${mount.type}, whose owners this kernel cannot map: use another file system${instead}`,
  )
}

/** The mount that the source is on, and those below if they come along. */
function mountsOf(source: MountSource): MountEntry[] {
  using place = openPlace(source.path)
  const own = mountOf(place)
  const below = source.recursive
    ? readMounts().filter((mount) => mount.target.startsWith(`${source.path}/`))
    : []
  return [...(own === undefined ? [] : [own]), ...below]
}

function canMap(path: string, userNamespace: Fd): boolean {
  try {
    using place = openPlace(path)
    using tree = cloneMountTree(place, false)
    changeMountTree(tree, { userNamespace, recursive: false })
    return true
  } catch {
    return false
  }
}
