/** Volumes as directories below `<data-root>/volumes`. */
import { mkdir, rename, rm } from 'node:fs/promises'
import { TsnetError } from '../errors.ts'
import type { VolumeRecord, VolumeSpec } from '../store/records.ts'
import type { VolumeDriver } from './volume.ts'

export function createLocalVolumes(dataRoot: string): VolumeDriver {
  const directory = (name: string): string => `${dataRoot}/volumes/${name}`
  return {
    name: 'local',
    scope: 'local',

    checkOptions: (options: VolumeSpec['options']) => {
      const unknown = Object.keys(options)[0]
      if (unknown === undefined) return
      throw new TsnetError(
        'invalid',
        'volume-option',
        `invalid option: "${unknown}": the local driver keeps volumes as plain directories and takes no options`,
      )
    },

    create: async (name) => {
      const data = `${directory(name)}/_data`
      // Only root looks around among the volumes, but any user of a container into its own.
      await mkdir(directory(name), { recursive: true, mode: 0o701 })
      await mkdir(data, { recursive: true, mode: 0o755 })
      return data
    },

    remove: async (volume: VolumeRecord) => {
      // Renamed first, so that a removal cut short never leaves half a volume under its name.
      const doomed = `${dataRoot}/volumes/.removed-${volume.name}`
      await rm(doomed, { recursive: true, force: true })
      await rename(directory(volume.name), doomed).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
      })
      await rm(doomed, { recursive: true, force: true })
    },

    mount: (volume) => Promise.resolve(volume.mountpoint),
    unmount: () => Promise.resolve(),
    restore: () => Promise.resolve(),
  }
}
