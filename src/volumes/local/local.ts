/** Volumes below `<data-root>/volumes`, each in a directory of its own. */
import { mkdir } from 'node:fs/promises'
import { TsnetError } from '../../errors.ts'
import type { Labels } from '../../store/records.ts'
import type { VolumeDriver } from '../volume.ts'
import type { Workers } from '../workers.ts'
import type { Backing, Location } from './backing.ts'
import { limitedBacking } from './limited.ts'
import { createMeasure } from './measure.ts'
import { mountedBacking } from './mounted.ts'
import { VolumeMounts } from './mounts.ts'
import { parseLocalOptions } from './options.ts'
import { plainBacking } from './plain.ts'
import { createLocalStorage } from './storage.ts'

export function createLocalVolumes(dataRoot: string, workers: Workers): VolumeDriver {
  const root = `${dataRoot}/volumes`
  const mounts = new VolumeMounts(workers)
  const locate = (name: string): Location => {
    const directory = `${root}/${name}`
    return { name, directory, data: `${directory}/_data` }
  }
  const measure = createMeasure(workers)
  const backingOf = (options: Labels): Backing => {
    const { place, own } = parseLocalOptions(options)
    if (place.kind === 'mount') return mountedBacking(workers, place)
    return place.kind === 'limited' ? limitedBacking(workers, place.limit, own) : plainBacking(own)
  }
  const storage = createLocalStorage(root, workers, mounts)
  return {
    name: 'local',
    scope: 'local',
    storage,

    checkOptions: (options) => void parseLocalOptions(options),

    create: async (name, options) => {
      const at = locate(name)
      // Only root looks around among the volumes, but any user of a container into its own.
      await mkdir(at.directory, { recursive: true, mode: 0o701 })
      await mkdir(at.data, { recursive: true, mode: 0o755 })
      await backingOf(options).create(at)
      return at.data
    },

    // In one step out of the way, so that a removal cut short never leaves half a volume under its name.
    remove: async (volume) => {
      await storage.discard(volume)
      await storage.purge(volume.id, [])
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

    usage: async ({ name, options }) => {
      const at = locate(name)
      const backing = backingOf(options)
      if (!backing.isMeasured) throw notMeasured(at)
      return (await backing.usage?.(at)) ?? { used: await measure(at), limit: 0 }
    },

    quota: async ({ name, options }) => (await backingOf(options).usage?.(locate(name))) ?? null,

    resize: async ({ name, options: before }, options) => {
      const backing = backingOf(options)
      if (backingOf(before).resize === undefined) throw unlimited(name)
      if (backing.resize === undefined) throw staysLimited(name)
      await backing.resize(locate(name))
    },

    status: ({ id, name, options }) => {
      if (parseLocalOptions(options).place.kind !== 'mount') return null
      const { mounted, users, trouble } = mounts.status(id, locate(name).data)
      return { Mounted: mounted, Users: users, ...(trouble !== '' && { Trouble: trouble }) }
    },

    restore: async (volumes) => {
      for (const { volume, users } of volumes) mounts.adopt(volume.id, users)
      // Only of those that this driver mounts: what the host's owner has mounted over a plain directory stays.
      const unused = volumes.filter(
        ({ volume, users }) => users.length === 0 && backingOf(volume.options).isMounted,
      )
      await mounts.release(unused.map(({ volume }) => locate(volume.name).data))
    },
  }
}

/** What is a directory, or has a file system's own size, cannot become limited without being moved. */
function unlimited(name: string): TsnetError {
  return new TsnetError(
    'invalid',
    'volume-unlimited',
    `volume ${name} has no size limit that could change: create one with --opt size= and copy the data`,
  )
}

/** Its data would have to be moved as well. */
function staysLimited(name: string): TsnetError {
  return new TsnetError(
    'invalid',
    'volume-limited',
    `volume ${name} cannot lose its size limit: give a larger one, or copy the data to a volume without`,
  )
}

function notMeasured({ name }: Location): TsnetError {
  return new TsnetError(
    'unsupported',
    'volume-not-measured',
    `volume ${name} is what its option device says: nobody walks through that`,
  )
}
