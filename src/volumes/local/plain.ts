import { chown } from 'node:fs/promises'
import type { Backing } from './backing.ts'
import type { Owner } from './options.ts'

/** A directory on the data root's own file system. */
export function plainBacking(own: Owner | null): Backing {
  return {
    isMounted: false,
    isMeasured: true,
    create: async ({ data }) => {
      if (own !== null) await chown(data, own.uid, own.gid)
    },
    mount: () => Promise.resolve(),
  }
}
