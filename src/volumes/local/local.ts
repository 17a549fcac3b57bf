/** Volumes below `<data-root>/volumes`, each in a directory of its own. */
import { mkdir, rename, rm } from 'node:fs/promises'
import type { Labels, VolumeRecord } from '../../store/records.ts'
import type { VolumeDriver } from '../volume.ts'
import type { Workers } from '../workers.ts'
import type { Backing, Location } from './backing.ts'
import { mountedBacking } from './mounted.ts'
import { VolumeMounts } from './mounts.ts'
import { parseLocalOptions } from './options.ts'
import { plainBacking } from './plain.ts'

export function createLocalVolumes(dataRoot: string, workers: Workers): VolumeDriver {
  const root = `${dataRoot}/volumes`
  const mounts = new VolumeMounts(workers)
  const locate = (name: string): Location => {
    const directory = `${root}/${name}`
    return { name, directory, data: `${directory}/_data` }
  }
  const backingOf = (options: Labels): Backing => {
    const { place, own } = parseLocalOptions(options)
    return place.kind === 'mount' ? mountedBacking(workers, place) : plainBacking(own)
  }
  return {
    name: 'local',
    scope: 'local',

    checkOptions: (options) => void parseLocalOptions(options),

    create: async (name, options) => {
      const at = locate(name)
      // Only root looks around among the volumes, but any user of a container into its own.
      await mkdir(at.directory, { recursive: true, mode: 0o701 })
      await mkdir(at.data, { recursive: true, mode: 0o755 })
      await backingOf(options).create(at)
      return at.data
    },

    remove: async ({ name }) => {
      const { directory } = locate(name)
      // Renamed first, so that a removal cut short never leaves half a volume under its name.
      await mounts.sweep(directory, () => false)
      const doomed = `${root}/.removed-${name}`
      await rm(doomed, { recursive: true, force: true })
      await rename(directory, doomed).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
      })
      await rm(doomed, { recursive: true, force: true })
    },

    mount: async ({ id, name, options }, user) => {
      const at = locate(name)
      const backing = backingOf(options)
      if (backing.isMounted) await mounts.add(id, user, at.data, () => backing.mount(at))
      return at.data
    },

    unmount: async ({ id, name, options }, user) => {
      if (backingOf(options).isMounted) await mounts.remove(id, user, locate(name).data)
    },

    restore: async (volumes) => {
      for (const { volume, users } of volumes) mounts.adopt(volume.id, users)
      const wanted = volumes.filter(({ users }) => users.length > 0)
      const targets = new Set(wanted.map(({ volume }: { volume: VolumeRecord }) => locate(volume.name).data))
      await mounts.sweep(root, (target) => targets.has(target))
    },
  }
}
