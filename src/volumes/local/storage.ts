/**
 * Names and the trash: `<data-root>/volumes/NAME`, `.trash/<volume id>` and `.snapshots/<snapshot id>` beside them, so that
 * each move is one rename within the file system. What is mounted inside a directory moves along with it.
 */
import { access, mkdir, readdir, rename } from 'node:fs/promises'
import { TsnetError } from '../../errors.ts'
import type { VolumeId } from '../../values/id.ts'
import type { VolumeStorage } from '../volume.ts'
import type { Workers } from '../workers.ts'
import type { VolumeMounts } from './mounts.ts'
import { releaseDirectory } from './project-quota.ts'

/** Milliseconds without progress. */
const deadline = 60_000

/** `root` is the directory of the volumes. */
export function createLocalStorage(
  root: string,
  workers: Pick<Workers, 'run'>,
  mounts: Pick<VolumeMounts, 'sweep'>,
): VolumeStorage {
  const trash = `${root}/.trash`
  const remove = async (path: string): Promise<void> => {
    // What somebody has mounted there is no volume's to remove.
    await mounts.sweep(path)
    releaseDirectory(`${path}/_data`)
    await workers.run('remove-tree', { path }, { subject: path, deadline })
  }
  return {
    has: (name) => exists(`${root}/${name}`),

    strays: async (isKnown) => {
      const entries = (await exists(root)) ? await readdir(root, { withFileTypes: true }) : []
      const strays = []
      for (const entry of entries) {
        const { name } = entry
        if (name.startsWith('.') || !entry.isDirectory() || isKnown(name)) continue
        // Only listed: the server of what is mounted at _data may be dead.
        const inside = await readdir(`${root}/${name}`)
        // what an image is to hold nobody knows any more
        if (inside.includes('_data') && !inside.includes('image'))
          strays.push({ name, mountpoint: `${root}/${name}/_data` })
      }
      return strays
    },

    rename: async ({ name }, wanted) => {
      await moveDirectory(`${root}/${name}`, `${root}/${wanted}`)
      return `${root}/${wanted}/_data`
    },

    discard: async ({ name, id }) => {
      const directory = `${root}/${name}`
      await mounts.sweep(directory)
      await mkdir(trash, { mode: 0o700, recursive: true })
      // One that somebody has removed by hand is gone already.
      if (await exists(directory)) await moveDirectory(directory, `${trash}/${id}`)
    },

    revive: async ({ id }, name) => {
      await moveDirectory(`${trash}/${id}`, `${root}/${name}`)
      return `${root}/${name}/_data`
    },

    purge: async (id, snapshots) => {
      await remove(`${trash}/${id}`)
      for (const snapshot of snapshots) await remove(`${root}/.snapshots/${snapshot}`)
    },

    discarded: async () => ((await exists(trash)) ? ((await readdir(trash)) as VolumeId[]) : []),

    measure: async (id) => {
      const path = `${trash}/${id}`
      if (!(await exists(path))) return 0
      return workers.run('measure-tree', { path }, { subject: path, deadline })
    },
  }
}

/** Once more is as good: what is at `to` is taken for what was at `from` when nothing is there any more. */
async function moveDirectory(from: string, to: string): Promise<void> {
  const [isThere, isDone] = await Promise.all([exists(from), exists(to)])
  if (isThere && isDone) {
    throw new TsnetError(
      'conflict',
      'volume-in-the-way',
      `${to} exists and belongs to no volume: move it away`,
    )
  }
  if (isThere) await rename(from, to)
  else if (!isDone)
    throw new TsnetError('not-found', 'volume-data-gone', `${from} is gone: somebody has removed it`)
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
