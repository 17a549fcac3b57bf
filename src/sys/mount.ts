import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  MOUNT_ATTR_IDMAP,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH,
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

/** Opens what a path leads to as a place that can be cloned (open_tree(2)): what autofs has there is mounted first. Throws SyscallError. */
export function openPlace(path: string): Fd {
  return new Fd(
    check(Number(nativeOpenTree(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLOEXEC)), 'open_tree', path),
  )
}

/**
 * Clones what is mounted at an open place as a detached tree (open_tree(2), kernel 5.2), with the mounts below it if `recursive`.
 * The place must be in the caller's mount namespace. Whoever enters another root afterwards can still attach the tree there,
 * with the target resolved inside that root.
 */
export function cloneMountTree(place: Fd, recursive: boolean): Fd {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0)
  return new Fd(
    check(Number(nativeOpenTree(SYS_open_tree, place.number, '', flags)), 'open_tree', 'of a place'),
  )
}

/** As cloneMountTree(), of what a path leads to; what autofs has there is mounted first. Throws SyscallError naming the path. */
export function clonePath(path: string, recursive: boolean): Fd {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0)
  return new Fd(check(Number(nativeOpenTree(SYS_open_tree, AT_FDCWD, path, flags)), 'open_tree', path))
}

/** Attaches a detached tree to an open place (move_mount(2)). */
export function attachMountTree(tree: Fd, target: Fd): void {
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
  check(Number(nativeMoveMount(SYS_move_mount, tree.number, '', target.number, '', flags)), 'move_mount')
}

export interface MountChange {
  /** MOUNT_ATTR_* to set */
  readonly set?: number
  /** MOUNT_ATTR_* to take away before that */
  readonly clear?: number
  /** MS_PRIVATE, MS_SLAVE or MS_SHARED */
  readonly propagation?: number
  /** By this user namespace's mapping owners are seen; only of a tree that has none yet. */
  readonly userNamespace?: Fd
  /** Of the mounts below as well. */
  readonly recursive: boolean
}

/** Changes a detached tree (mount_setattr(2), kernel 5.12). Throws SyscallError. */
export function changeMountTree(tree: Fd, change: MountChange): void {
  // struct mount_attr: attr_set, attr_clr, propagation, userns_fd, each 64 bits
  const attributes = Buffer.alloc(32)
  const idmap = change.userNamespace === undefined ? 0 : MOUNT_ATTR_IDMAP
  attributes.writeBigUInt64LE(BigInt((change.set ?? 0) | idmap), 0)
  attributes.writeBigUInt64LE(BigInt(change.clear ?? 0), 8)
  attributes.writeBigUInt64LE(BigInt(change.propagation ?? 0), 16)
  attributes.writeBigUInt64LE(BigInt(change.userNamespace?.number ?? 0), 24)
  const flags = AT_EMPTY_PATH | (change.recursive ? AT_RECURSIVE : 0)
  const result = nativeMountSetattr(SYS_mount_setattr, tree.number, '', flags, attributes, attributes.length)
  check(Number(result), 'mount_setattr')
}
