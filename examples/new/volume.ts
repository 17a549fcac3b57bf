/** A driver of volumes: docker volume create -d NAME-OF-THIS-FILE */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { defineDriver, Type } from 'tsnet/driver'

export default defineDriver({
  apiVersion: 1,
  description: 'Folders below a directory',
  volume: {
    // What users give with -o; its texts become numbers and booleans as you say here.
    options: Type.Object({ base: Type.String({ default: '/srv/volumes' }) }),

    // Every function may be called again for the same volume: after a crash, or when it took too long.
    async create({ name, options }) {
      const path = join(options.base, name)
      await mkdir(path, { recursive: true })
      return path
    },

    async remove({ name, options }) {
      await rm(join(options.base, name), { recursive: true, force: true })
    },

    // Make the data reachable here, if it is not yet, and say where.
    mount({ path }) {
      return path
    },

    // Nobody uses it now.
    unmount() {},
  },
})
