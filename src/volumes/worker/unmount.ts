import { MNT_DETACH, MS_PRIVATE, MS_REC, UMOUNT_NOFOLLOW } from '../../sys/constants/mount.ts'
import { mount, umount } from '../../sys/mount.ts'
import { readMounts } from '../../sys/mountinfo.ts'

export interface Unmount {
  readonly target: string
  /** Takes it away at once; what is still open goes on until it is closed. */
  readonly lazy: boolean
}

/** Throws SyscallError, EBUSY while somebody holds it. What is mounted inside goes too. */
export function unmount({ target, lazy }: Unmount): void {
  const hasInner = readMounts().some((inner) => inner.target.startsWith(`${target}/`))
  // Else the same would be unmounted wherever else it shows, as at the source of an rbind.
  if (hasInner) mount('', target, '', MS_PRIVATE | MS_REC, '')
  umount(target, UMOUNT_NOFOLLOW | (lazy || hasInner ? MNT_DETACH : 0))
}
