import { TsnetError } from '../errors.ts'
import type { VolumeRecord } from '../store/records.ts'
import type { Parts } from './parts.ts'

/** Of what a copy needs besides its content: directories, tables of extents. */
const overhead = 1.05
const least = 4 * 1024 * 1024

/**
 * Runs `work`, during which a volume holds what it has and `bytes` more: a limit gives way as far as that needs, and holds again
 * afterwards, at the latest from the volume's next use on. Throws kind 'conflict' when `bytes` alone are more than it may hold.
 */
export async function withRoom<T>(
  parts: Parts,
  volume: VolumeRecord,
  bytes: number,
  work: () => Promise<T>,
): Promise<T> {
  const driver = parts.volumeDriver(volume.driver)
  const quota = (await driver.quota?.(volume)) ?? null
  if (quota === null || driver.resize === undefined) return work()
  if (bytes > quota.limit) {
    throw new TsnetError(
      'conflict',
      'volume-too-small',
      `volume ${volume.name} may hold ${quota.limit} bytes, and it is to get ${bytes}: give it a larger size first`,
    )
  }
  const needed = Math.ceil((quota.used + bytes) * overhead) + least
  if (needed <= quota.limit) return work()
  const widened = { ...volume.options, size: `${needed}` }
  await driver.resize(volume, widened)
  try {
    return await work()
  } finally {
    await driver.resize({ ...volume, options: widened }, volume.options)
  }
}
