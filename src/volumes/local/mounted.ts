import type { Workers } from '../workers.ts'
import type { Backing } from './backing.ts'
import type { MountedSource } from './options.ts'

/** Milliseconds that a server has to let itself be mounted. */
const mountDeadline = 30_000

/** What the options type, o and device say. */
export function mountedBacking(workers: Workers, source: MountedSource): Backing {
  return {
    isMounted: true,
    isMeasured: false,
    create: () => Promise.resolve(),
    mount: async ({ name, data }) => {
      const subject = `volume "${name}" (${source.type} ${source.device})`
      await workers.run('mount-source', { ...source, target: data }, { subject, deadline: mountDeadline })
    },
  }
}
