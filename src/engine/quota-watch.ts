/** Tells when a volume in use is nearly full. The kernel tells nobody in time: on a file system of its own there is no event. */
import type { VolumeId } from '../values/id.ts'
import type { VolumeUsage } from '../volumes/volume.ts'
import type { Parts } from './parts.ts'
import { quotaOfVolume } from './volume-usage.ts'
import { volumeUsers } from './volume-users.ts'

/** Milliseconds between two looks. */
const interval = 10_000
/** Percent of the limit from which a volume is nearly full, and below which that may be told again. */
const HIGH = 90
const LOW = 85

/** Which volumes are nearly full. */
export class FillLevels {
  readonly #full = new Set<VolumeId>()

  /** The percentage when a volume has just become nearly full, else null. */
  crossed(volume: VolumeId, { used, limit }: VolumeUsage): number | null {
    const percent = Math.floor((used / limit) * 100)
    if (percent < LOW) this.#full.delete(volume)
    if (percent < HIGH || this.#full.has(volume)) return null
    this.#full.add(volume)
    return percent
  }

  /** Forgets those that are not among these. */
  keep(volumes: ReadonlySet<VolumeId>): void {
    for (const volume of this.#full) if (!volumes.has(volume)) this.#full.delete(volume)
  }
}

/** Looks at the volumes of running containers, which cost no more than a question each, until it is disposed. */
export function watchQuotas(parts: Parts): Disposable {
  const levels = new FillLevels()
  let isLooking = false
  const look = async (): Promise<void> => {
    if (isLooking) return
    isLooking = true
    try {
      await tellCrossings(parts, levels)
    } catch (error) {
      parts.log.warn({ err: error }, 'the volumes’ limits could not be looked at')
    } finally {
      isLooking = false
    }
  }
  const timer = setInterval(() => void look(), interval).unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

async function tellCrossings(parts: Parts, levels: FillLevels): Promise<void> {
  const used = [...volumeUsers(parts)].filter(([, users]) =>
    users.some(({ state }) => state.status === 'running'),
  )
  const volumes = used.flatMap(([name]) => parts.store.volumes.get(name) ?? [])
  levels.keep(new Set(parts.store.volumes.values().map(({ id }) => id)))
  for (const { id, name, driver } of volumes) {
    // It may have been removed since.
    if (!parts.store.volumes.has(name)) continue
    const usage = await quotaOfVolume(parts, name)
    const percent = usage === null || usage.limit === 0 ? null : levels.crossed(id, usage)
    if (usage === null || percent === null) continue
    const { used, limit } = usage
    parts.log.warn({ volume: name, used, limit }, 'a volume is nearly full')
    parts.events.emit('volume', 'quota', name, {
      driver,
      used: `${used}`,
      limit: `${limit}`,
      percent: `${percent}`,
    })
  }
}
