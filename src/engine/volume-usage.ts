/** What volumes take. Drivers answer in their time, or not at all: nobody waits for one whose server is dead. */
import type { VolumeRecord } from '../store/records.ts'
import type { VolumeDriver, VolumeUsage } from '../volumes/volume.ts'
import type { Parts } from './parts.ts'
import { findVolume } from './volume-removal.ts'

/** Milliseconds for a driver to tell what it knows. */
const quotaPatience = 2000
/** Milliseconds for a report on all volumes. */
const reportPatience = 30_000
/** Walks at a time: more would only take the disk from each other. */
const walks = 2

/** What is used of a volume's limit; null for one without a limit, or whose driver does not say. */
export async function quotaOfVolume(parts: Parts, name: string): Promise<VolumeUsage | null> {
  const volume = findVolume(parts, name)
  const asked = driverOf(parts, volume)?.quota?.(volume) ?? Promise.resolve(null)
  return orNull(parts, volume, within(asked, quotaPatience))
}

/** bytes by the volumes' names; those that cannot be told in time are missing. */
export async function measureVolumes(parts: Parts): Promise<ReadonlyMap<string, number>> {
  const end = performance.now() + reportPatience
  const sizes = new Map<string, number>()
  const waiting = [...parts.store.volumes.values()].values()
  const walk = async (): Promise<void> => {
    for (const volume of waiting) {
      const asked = driverOf(parts, volume)?.usage?.(volume) ?? Promise.resolve(null)
      const usage = await orNull(parts, volume, within(asked, Math.max(0, end - performance.now())))
      if (usage !== null) sizes.set(volume.name, usage.used)
    }
  }
  await Promise.all(Array.from({ length: walks }, walk))
  return sizes
}

/** Undefined while it is missing: volumes are shown without it. */
function driverOf(parts: Parts, volume: VolumeRecord): VolumeDriver | undefined {
  return parts.volumeDrivers().find(({ name }) => name === volume.driver)
}

/** Resolves to null when it takes longer. */
function within<T>(asked: Promise<T>, milliseconds: number): Promise<T | null> {
  const { promise, resolve } = Promise.withResolvers<null>()
  const timer = setTimeout(() => resolve(null), milliseconds)
  return Promise.race([asked, promise]).finally(() => clearTimeout(timer))
}

async function orNull<T>(parts: Parts, volume: VolumeRecord, asked: Promise<T>): Promise<T | null> {
  try {
    return await asked
  } catch (error) {
    parts.log.debug({ err: error, volume: volume.name }, 'what a volume takes could not be told')
    return null
  }
}
