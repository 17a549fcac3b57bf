/** Layers of images as overlayfs takes them. The current directory is the one to which they are relative. */
import { MNT_DETACH, MS_RDONLY } from '../sys/constants/mount.ts'
import { mount, openPlace, umount } from '../sys/mount.ts'
import { cloneSource, type OpenSource } from './sources.ts'
import { StartError } from './start-error.ts'
import type { EnterRoot, MountSource } from './steps.ts'

/** bytes that mount(2) takes as options */
const page = 4096

function mountOverlay(at: string, lower: readonly string[], flags: number, more: string): void {
  const options = `lowerdir=${lower.join(':')}${more}`
  if (Buffer.byteLength(options) >= page) {
    throw new StartError(`the image has ${lower.length} layers, more than one overlayfs mount can take`)
  }
  mount('overlay', at, 'overlay', flags, options)
}

export function mountRoot(step: EnterRoot): void {
  mountOverlay(step.merged, step.lower, 0, `,upperdir=${step.upper},workdir=${step.work}`)
}

/** An image's files to read, by way of the empty directory `at`: without one of its own overlayfs wants a second layer. */
export function openImage(source: MountSource, at: string): OpenSource {
  const lower = source.layers.length > 1 ? source.layers : [...source.layers, at]
  mountOverlay(at, lower, MS_RDONLY, '')
  try {
    using place = openPlace(at)
    return cloneSource(source, place)
  } finally {
    umount(at, MNT_DETACH)
  }
}
