import { errorKind, TsnetError } from '../errors.ts'
import type { VolumeRecord } from '../store/records.ts'
import type { PrunedVolume } from './engine.ts'
import type { Parts } from './parts.ts'
import { PruneGate } from './prune-gate.ts'
import { borrowersOf } from './volume-borrowers.ts'
import { removeVolume } from './volume-removal.ts'
import { trashEnd } from './volume-trash.ts'
import { volumeUsers } from './volume-users.ts'

export interface VolumePruning {
  /** Only tells what would go. */
  readonly dryRun: boolean
  /** Past the trash. */
  readonly now: boolean
}

/** Removes volumes that no container mounts, one after the other; one prune at a time. */
export class VolumePruner {
  readonly #parts: Parts
  readonly #gate = new PruneGate()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Returns what was removed. Throws kind 'conflict' while another prune is under way. */
  prune(
    selected: (volume: VolumeRecord) => boolean,
    { dryRun, now }: VolumePruning,
  ): Promise<PrunedVolume[]> {
    return dryRun ? this.#weighAll(selected) : this.#gate.run(() => this.#pruneAll(selected, now))
  }

  async #pruneAll(selected: (volume: VolumeRecord) => boolean, now: boolean): Promise<PrunedVolume[]> {
    const removed: PrunedVolume[] = []
    for (const candidate of await this.#weighAll(selected)) {
      if (await this.#removeUnused(candidate, selected, now)) {
        removed.push({ ...candidate, endsAt: trashEnd(this.#parts, candidate.volume) })
      }
    }
    this.#parts.events.emit('volume', 'prune', '', { reclaimed: String(sumOf(removed)) })
    return removed
  }

  #candidates(selected: (volume: VolumeRecord) => boolean): VolumeRecord[] {
    const users = volumeUsers(this.#parts)
    const volumes = [...this.#parts.store.volumes.values()]
    const isFree = ({ name }: VolumeRecord): boolean =>
      !users.has(name) && borrowersOf(this.#parts, name).length === 0
    return volumes.filter((volume) => !volume.protected && isFree(volume) && selected(volume))
  }

  /** Before anything is removed: who reads it wants to know what has gone. */
  async #weighAll(selected: (volume: VolumeRecord) => boolean): Promise<PrunedVolume[]> {
    const weighed: PrunedVolume[] = []
    for (const volume of this.#candidates(selected)) {
      weighed.push({ volume, size: await this.#weigh(volume), endsAt: null })
    }
    return weighed
  }

  /** bytes, -1 when it cannot be told */
  async #weigh(volume: VolumeRecord): Promise<number> {
    try {
      return (await this.#parts.volumeDriver(volume.driver).usage?.(volume))?.used ?? -1
    } catch (error) {
      // Some are never walked through.
      if (errorKind(error) !== 'unsupported') {
        this.#parts.log.warn({ err: error, volume: volume.name }, 'what a volume takes could not be told')
      }
      return -1
    }
  }

  /** Whether it was removed: it may be in use by now, be protected, be changed or be gone. */
  async #removeUnused(
    { volume: { id, name }, size }: PrunedVolume,
    selected: (volume: VolumeRecord) => boolean,
    now: boolean,
  ): Promise<boolean> {
    const isMeant = (volume: VolumeRecord): boolean => volume.id === id && selected(volume)
    try {
      await removeVolume(this.#parts, name, { now, size, selected: isMeant })
      return true
    } catch (error) {
      if (!(error instanceof TsnetError && harmless.includes(error.code))) {
        this.#parts.log.warn({ err: error, volume: name }, 'a volume could not be pruned')
      }
      return false
    }
  }
}

const harmless: readonly string[] = ['volume-in-use', 'volume-protected', 'no-such-volume']

function sumOf(volumes: readonly PrunedVolume[]): number {
  return volumes.reduce((sum, { size }) => sum + Math.max(0, size), 0)
}
