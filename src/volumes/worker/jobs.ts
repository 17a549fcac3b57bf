/** All jobs by name. */

import { copyTree } from './copy-tree.ts'
import { exportVolume } from './export-volume.ts'
import { imageUsage } from './image-usage.ts'
import type { Job } from './job.ts'
import { makeImage } from './make-image.ts'
import { measureTree } from './measure-tree.ts'
import { mountImage } from './mount-image.ts'
import { mountSource } from './mount-source.ts'
import { removeTree } from './remove-tree.ts'
import { replaceTree, settleTree } from './replace-tree.ts'
import { resizeImage } from './resize-image.ts'
import { statSources } from './stat-sources.ts'
import { syncTree } from './sync-tree.ts'
import { unmount } from './unmount.ts'
import { unpackVolume } from './unpack-volume.ts'
import { verifyArchive } from './verify-archive.ts'

export const jobs = {
  'copy-tree': copyTree,
  'export-volume': exportVolume,
  'image-usage': imageUsage,
  'make-image': makeImage,
  'mount-image': mountImage,
  'mount-source': mountSource,
  'measure-tree': measureTree,
  'remove-tree': removeTree,
  'replace-tree': replaceTree,
  'settle-tree': settleTree,
  'resize-image': resizeImage,
  'stat-sources': statSources,
  'sync-tree': syncTree,
  unmount,
  'unpack-volume': unpackVolume,
  'verify-archive': verifyArchive,
} satisfies Readonly<Record<string, Job>>

export type JobName = keyof typeof jobs
export type Input<J extends JobName> = Parameters<(typeof jobs)[J]>[0]
export type Output<J extends JobName> = Awaited<ReturnType<(typeof jobs)[J]>>
