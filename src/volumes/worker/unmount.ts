import { MNT_DETACH, UMOUNT_NOFOLLOW } from '../../sys/constants/mount.ts'
import { umount } from '../../sys/mount.ts'

export interface Unmount {
  readonly target: string
  /** Takes it away at once; what is still open goes on until it is closed. */
  readonly lazy: boolean
}

/** Throws SyscallError, EBUSY while somebody holds it. */
export function unmount({ target, lazy }: Unmount): void {
  umount(target, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0))
}
