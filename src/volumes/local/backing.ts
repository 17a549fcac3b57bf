/** How a local volume comes by its data. One of plain.ts, mounted.ts and quota.ts stands behind each volume. */
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
  /** Gives back what `create` has taken besides the directory; called before that goes. Nothing is mounted. */
  release(at: Location): Promise<void>
  usage?(at: Location): Promise<VolumeUsage>
  /** The limit becomes `size` bytes. */
  resize?(at: Location, size: number): Promise<void>
}
