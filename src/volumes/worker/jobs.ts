/** All jobs by name. */
import type { Job } from './job.ts'
import { mountSource } from './mount-source.ts'
import { statSources } from './stat-sources.ts'
import { unmount } from './unmount.ts'

export const jobs = {
  'mount-source': mountSource,
  'stat-sources': statSources,
  unmount,
} satisfies Readonly<Record<string, Job>>

export type JobName = keyof typeof jobs
export type Input<J extends JobName> = Parameters<(typeof jobs)[J]>[0]
export type Output<J extends JobName> = Awaited<ReturnType<(typeof jobs)[J]>>
