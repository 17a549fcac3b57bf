/** Volumes with a size: a directory with project quota where the data root has that, else a file system in a sparse file. */

import { existsSync } from 'node:fs'
import { chown, statfs } from 'node:fs/promises'
import { TsnetError } from '../../errors.ts'
import { readExt4Space } from '../../sys/ext4.ts'
import { loopsOf } from '../../sys/loop.ts'
import { isTreeEmpty } from '../../sys/staged-tree.ts'
import type { Workers } from '../workers.ts'
import type { Backing, Location } from './backing.ts'
import { isMounted } from './mounts.ts'
import type { Owner } from './options.ts'
import { hasProjectQuota, type Limit, limitDirectory, quotaOf } from './project-quota.ts'

/** Milliseconds for what takes well below a second on a disk that is not busy. */
const deadline = 60_000

export function limitedBacking(workers: Workers, limit: Limit, own: Owner | null): Backing {
  const run = { deadline }
  const makeImage = async (at: Location): Promise<void> => {
    const input = { image: imageOf(at), ...limit, uid: own?.uid ?? 0, gid: own?.gid ?? 0 }
    await workers.run('make-image', input, { ...run, subject: subjectOf(at) })
  }
  return {
    isMounted: true,
    isMeasured: true,

    create: async (at) => {
      if (hasImage(at)) return
      if (!hasProjectQuota(at.data)) return makeImage(at)
      limitDirectory(at.data, limit)
      if (own !== null) await chown(at.data, own.uid, own.gid)
    },

    mount: async (at) => {
      if (!hasImage(at)) {
        // what was to hold for a while only may have been cut short
        if (hasProjectQuota(at.data)) return limitDirectory(at.data, limit)
        // Nobody is to fill the host's disk, nor to have data hidden.
        if (!isTreeEmpty(at.data)) throw limitLost(at)
        await makeImage(at)
      }
      const input = { image: imageOf(at), target: at.data, bytes: limit.bytes }
      await workers.run('mount-image', input, { ...run, subject: subjectOf(at) })
    },

    usage: async (at) => {
      if (hasImage(at)) return { used: await usedOfImage(workers, at), limit: limit.bytes }
      const quota = quotaOf(at.data)
      return quota === null ? null : { used: quota.bytesUsed, limit: quota.bytesLimit }
    },

    resize: async (at) => {
      if (hasImage(at)) {
        const input = { image: imageOf(at), bytes: limit.bytes }
        const used = await workers.run('resize-image', input, { ...run, subject: subjectOf(at) })
        if (used > limit.bytes) throw tooFull(at, used)
      } else {
        const used = quotaOf(at.data)?.bytesUsed ?? 0
        if (used > limit.bytes) throw tooFull(at, used)
        limitDirectory(at.data, limit)
      }
    },
  }
}

const imageOf = ({ directory }: Location): string => `${directory}/image`
const hasImage = (at: Location): boolean => existsSync(imageOf(at))
const subjectOf = ({ name }: Location): string => `volume "${name}"`

/** Asks this host's memory or its disk, never somebody else's. */
async function usedOfImage(workers: Workers, at: Location): Promise<number> {
  const image = imageOf(at)
  if (isMounted(at.data)) {
    const { blocks, bfree, bsize } = await statfs(at.data)
    return (blocks - bfree) * bsize
  }
  // In use in a mount namespace that is not ours: what is on the disk lags behind.
  if (loopsOf(image).length > 0) {
    return await workers.run('image-usage', { image }, { deadline, subject: subjectOf(at) })
  }
  const { blocks, free, overhead, blockSize } = readExt4Space(image)
  return (blocks - overhead - free) * blockSize
}

function limitLost(at: Location): TsnetError {
  return new TsnetError(
    'unavailable',
    'volume-limit-lost',
    `volume ${at.name} has a size that nothing holds: its data root is not mounted with project quota (prjquota) any more, and there is no ${imageOf(at)}`,
  )
}

function tooFull({ name }: Location, used: number): TsnetError {
  return new TsnetError(
    'conflict',
    'volume-too-full',
    `volume ${name} has ${used} bytes in use: it cannot be made smaller than that`,
  )
}
