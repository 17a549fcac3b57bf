import type { Workers } from '../workers.ts'
import type { Backing } from './backing.ts'
import type { MountedSource } from './options.ts'

/** What the options type, o and device say. */
export function mountedBacking(workers: Workers, source: MountedSource): Backing {
  return {
    isMounted: true,
    isMeasured: false,
    create: () => Promise.resolve(),
    mount: async ({ name, data }) => {
      const { deadline, ...mounted } = source
      const subject = `volume "${name}" (${source.type} ${source.device})`
      await workers.run('mount-source', { ...mounted, target: data }, { subject, deadline })
    },
  }
}
