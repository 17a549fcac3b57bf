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
