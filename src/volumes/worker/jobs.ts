/** All jobs by name. */
import type { Job } from './job.ts'
import { makeImage } from './make-image.ts'
import { measureTree } from './measure-tree.ts'
import { mountImage } from './mount-image.ts'
import { mountSource } from './mount-source.ts'
import { removeTree } from './remove-tree.ts'
import { resizeImage } from './resize-image.ts'
import { statSources } from './stat-sources.ts'
import { unmount } from './unmount.ts'

export const jobs = {
  'make-image': makeImage,
  'measure-tree': measureTree,
  'mount-image': mountImage,
  'mount-source': mountSource,
  'remove-tree': removeTree,
  'resize-image': resizeImage,
  'stat-sources': statSources,
  unmount,
} satisfies Readonly<Record<string, Job>>

export type JobName = keyof typeof jobs
export type Input<J extends JobName> = Parameters<(typeof jobs)[J]>[0]
export type Output<J extends JobName> = Awaited<ReturnType<(typeof jobs)[J]>>
