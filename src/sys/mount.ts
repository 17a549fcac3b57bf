import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_SYMLINKS,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from './constants/mount.ts'
import { Fd } from './fd.ts'
import { check, libc } from './libc.ts'

const nativeMount = libc.func(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
)
const nativeUmount = libc.func('int umount2(const char *target, int flags)')
const nativePivotRoot = libc.func('long syscall(long number, const char *newRoot, const char *putOld)')

/** The system call has no wrapper in glibc; both supported architectures are here. */
const SYS_pivot_root = process.arch === 'arm64' ? 41 : 155

/** mount(2). Empty strings are passed as NULL. Throws SyscallError naming the target. */
export function mount(source: string, target: string, type: string, flags: number, data: string): void {
  check(
    nativeMount(source || null, target, type || null, flags, data || null),
    'mount',
    `${source || type || 'none'} on ${target}`,
  )
}

/** umount2(2) with MNT_* and UMOUNT_* flags. */
export function umount(target: string, flags = 0): void {
  check(nativeUmount(target, flags), 'umount', target)
}

/** pivot_root(2). */
export function pivotRoot(newRoot: string, putOld: string): void {
  check(Number(nativePivotRoot(SYS_pivot_root, newRoot, putOld)), 'pivot_root', newRoot)
}

const nativeOpenTree = libc.func('long syscall(long number, int dirfd, const char *path, unsigned int flags)')
const nativeMoveMount = libc.func(
  'long syscall(long number, int fromFd, const char *fromPath, int toFd, const char *toPath, unsigned int flags)',
)
const nativeMountSetattr = libc.func(
  'long syscall(long number, int dirfd, const char *path, unsigned int flags, const void *attributes, size_t size)',
)

/** The numbers of the new mount calls are the same on every architecture. */
const SYS_open_tree = 428
const SYS_move_mount = 429
const SYS_mount_setattr = 442

/**
 * Clones the mounts at `path` as a detached tree (open_tree(2), kernel 5.2). Whoever enters another root afterwards can
 * still attach it there, with the target resolved inside that root.
 */
export function cloneMountTree(path: string): Fd {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE
  return new Fd(check(Number(nativeOpenTree(SYS_open_tree, AT_FDCWD, path, flags)), 'open_tree', path))
}

/** Attaches a detached tree at `target`, which may be a link (move_mount(2)). */
export function attachMountTree(tree: Fd, target: string): void {
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS
  check(
    Number(nativeMoveMount(SYS_move_mount, tree.number, '', AT_FDCWD, target, flags)),
    'move_mount',
    target,
  )
}

/** Changes every mount of a detached tree: MOUNT_ATTR_* to set, and a propagation type MS_* or 0 (mount_setattr(2), kernel 5.12). */
export function setMountTreeAttributes(tree: Fd, set: number, propagation: number): void {
  // struct mount_attr: attr_set, attr_clr, propagation, userns_fd, each 64 bits
  const attributes = Buffer.alloc(32)
  attributes.writeBigUInt64LE(BigInt(set), 0)
  attributes.writeBigUInt64LE(BigInt(propagation), 16)
  const flags = AT_EMPTY_PATH | AT_RECURSIVE
  check(
    Number(nativeMountSetattr(SYS_mount_setattr, tree.number, '', flags, attributes, attributes.length)),
    'mount_setattr',
    'of a bind mount',
  )
}
