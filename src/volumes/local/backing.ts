/** How a local volume comes by its data. One of plain.ts, mounted.ts and limited.ts stands behind each volume. */
import type { VolumeUsage } from '../volume.ts'

/** Where a volume lies. */
export interface Location {
  readonly name: string
  /** The volume's own directory, which holds all of it. */
  readonly directory: string
  /** What containers see, below the directory. */
  readonly data: string
}

export interface Backing {
  /** Whether the data must be mounted before it can be used. */
  readonly isMounted: boolean
  /** Fills a directory that has just been made; safe to repeat. */
  create(at: Location): Promise<void>
  /** Only where `isMounted`. Nothing is mounted there yet. */
  mount(at: Location): Promise<void>
  /** False where a walk through the data could hang, or lead through things that are nobody's volume. */
  readonly isMeasured: boolean
  /** What is used of a limit; null where nothing limits. */
  usage?(at: Location): Promise<VolumeUsage | null>
  /** The limit that the data has becomes this backing's. Throws kind 'conflict' when more is used. */
  resize?(at: Location): Promise<void>
}
