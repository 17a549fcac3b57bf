import { mountDetached } from '../../sys/detached-mount.ts'
import { attachLoop, openLoopOf } from '../../sys/loop.ts'
import { imageOptions, usedIn } from './image-layout.ts'

/** bytes of data in an image, in whatever mount namespace it may be in use */
export function imageUsage({ image }: { readonly image: string }): number {
  const device = openLoopOf(image) ?? attachLoop(image)
  using _ = device.fd
  using root = mountDetached('ext4', device.path, imageOptions)
  return usedIn(`/proc/self/fd/${root.number}/.`)
}
