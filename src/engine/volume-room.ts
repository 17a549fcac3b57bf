import { TsnetError } from '../errors.ts'
import type { VolumeRecord } from '../store/records.ts'
import type { Parts } from './parts.ts'

/** Of what a copy needs besides its content: directories, tables of extents. */
const overhead = 1.05
const least = 4 * 1024 * 1024

/**
 * Runs `work`, during which a volume holds what it has and `bytes` more, or, as nobody knows how much, all that it may hold: a
 * limit gives way as far as that needs, and holds again afterwards. `work` is told the limit, null without one. Throws kind
 * 'conflict' when `bytes` alone are more than it may hold.
 */
export async function withRoom<T>(
  parts: Parts,
  volume: VolumeRecord,
  bytes: number | null,
  work: (limit: number | null) => Promise<T>,
): Promise<T> {
  const driver = parts.volumeDriver(volume.driver)
  const quota = (await driver.quota?.(volume)) ?? null
  if (quota === null || driver.resize === undefined) return work(null)
  const wanted = bytes ?? quota.limit
  if (wanted > quota.limit) {
    throw new TsnetError(
      'conflict',
      'volume-too-small',
      `volume ${volume.name} may hold ${quota.limit} bytes, and it is to get ${wanted}: give it a larger size first`,
    )
  }
  const needed = Math.ceil((quota.used + wanted) * overhead) + least
  if (needed <= quota.limit) return work(quota.limit)
  const widened = { ...volume.options, size: `${needed}` }
  await driver.resize(volume, widened)
  try {
    return await work(quota.limit)
  } finally {
    await narrow(parts, volume, widened)
  }
}

/** What does not fit with all that it needs besides its content stays: the volume takes nothing more from its next use on. */
async function narrow(parts: Parts, volume: VolumeRecord, widened: VolumeRecord['options']): Promise<void> {
  const driver = parts.volumeDriver(volume.driver)
  try {
    await driver.resize?.({ ...volume, options: widened }, volume.options)
  } catch (error) {
    parts.log.warn({ err: error, volume: volume.name }, 'a volume is fuller than it may be')
  }
}
