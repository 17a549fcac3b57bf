/** What a volume driver is. The built-in one is local.ts. */
import type { VolumeRecord, VolumeSpec } from '../store/records.ts'

export interface VolumeDriver {
  readonly name: string
  /** Checks options; throws kind 'invalid' naming the bad one. Pure. */
  checkOptions(options: VolumeSpec['options']): void
  /** Makes the volume's data and returns its path on this host; safe to repeat. */
  create(name: string, options: VolumeSpec['options']): Promise<string>
  /** Removes the data; safe to repeat. */
  remove(volume: VolumeRecord): Promise<void>
  /** Makes the data reachable for a user (a container's id) and returns the path to bind. */
  mount(volume: VolumeRecord, user: string): Promise<string>
  /** Safe to repeat. */
  unmount(volume: VolumeRecord, user: string): Promise<void>
}
