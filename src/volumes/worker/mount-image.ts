import { mountDetached } from '../../sys/detached-mount.ts'
import { attachLoop, openLoopOf } from '../../sys/loop.ts'
import { mount } from '../../sys/mount.ts'
import { holdBack, imageOptions } from './image-layout.ts'

export interface MountImage {
  readonly image: string
  readonly target: string
  /** Room for data that there is to be. */
  readonly bytes: number
}

/** Mounts an image; what is in use elsewhere already is the same file system here. */
export function mountImage({ image, target, bytes }: MountImage): void {
  const device = openLoopOf(image) ?? attachLoop(image)
  using _ = device.fd
  // Its limit is set before anybody can see it.
  using root = mountDetached('ext4', device.path, imageOptions)
  holdBack(device.path, `/proc/self/fd/${root.number}/.`, bytes)
  mount(device.path, target, 'ext4', 0, imageOptions)
}
