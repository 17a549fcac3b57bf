/**
 * What a volume driver is. The built-in one is local/. Its calls may wait for other machines, so each keeps to a deadline of
 * its own and rejects with kind 'unavailable' when that is over; nothing it does may block the daemon's thread.
 */
import type { VolumeRecord, VolumeSpec } from '../store/records.ts'
import type { SnapshotId, VolumeId } from '../values/id.ts'

export interface VolumeDriver {
  readonly name: string
  readonly scope: 'local' | 'global'
  /** Checks options; throws kind 'invalid' naming the bad one. Pure. */
  checkOptions(options: VolumeSpec['options']): void
  /** Makes the volume's data and returns its path on this host; safe to repeat. */
  create(name: string, options: VolumeSpec['options']): Promise<string>
  /** Removes the data for good; safe to repeat. */
  remove(volume: VolumeRecord): Promise<void>
  /** Makes the data reachable for a user (a container's id) and returns the path to bind; safe to repeat for the same user. */
  mount(volume: VolumeRecord, user: string): Promise<string>
  /** The last user's unmount releases what mount took; safe to repeat. */
  unmount(volume: VolumeRecord, user: string): Promise<void>
  /** After a start of the daemon: counts these users again, and releases the mounts of volumes that have none. */
  restore(
    volumes: readonly { readonly volume: VolumeRecord; readonly users: readonly string[] }[],
  ): Promise<void>
  /** What is known of the volume without a question to anybody, as `inspect` shows it; null when there is nothing to say. */
  status?(volume: VolumeRecord): VolumeStatus | null
  /**
   * Volumes that it has, recorded or not, as it last said when it was asked. That is done in the background: this call waits for nothing.
   */
  present?(): readonly PresentVolume[]
  /** What the data takes; rejects when it cannot be told in time. */
  usage?(volume: VolumeRecord): Promise<VolumeUsage>
  /** What is used of a limit, told at once; null for a volume without one. */
  quota?(volume: VolumeRecord): Promise<VolumeUsage | null>
  /** Changes the size limit while the volume may be in use; `options` are the volume's new ones. */
  resize?(volume: VolumeRecord, options: VolumeSpec['options']): Promise<void>
  /** Only of drivers which keep their data on this host. */
  readonly storage?: VolumeStorage
}

export interface PresentVolume {
  readonly name: string
  /** '' while there is none */
  readonly mountpoint: string
  /** ISO 8601, '' where it is not told */
  readonly createdAt: string
}

/** In the driver's own words. */
export type VolumeStatus = Readonly<Record<string, string | number | boolean>>

export interface VolumeUsage {
  /** bytes */
  readonly used: number
  /** bytes, 0 without a limit */
  readonly limit: number
}

/** Names and the trash. Each call moves all of a volume at once, within its file system; safe to repeat. */
export interface VolumeStorage {
  /** Whether there is data under a name, whoever put it there. */
  has(name: string): Promise<boolean>
  /** Data like that of volumes without options, under names that nobody knows. */
  strays(
    isKnown: (name: string) => boolean,
  ): Promise<readonly { readonly name: string; readonly mountpoint: string }[]>
  /** Returns the new path of the data. Users go on using it. */
  rename(volume: VolumeRecord, name: string): Promise<string>
  /** Takes the data out of the way, to be found again by the volume's id. */
  discard(volume: VolumeRecord): Promise<void>
  /** Brings back under `name` what was discarded, and returns the path of the data. */
  revive(volume: VolumeRecord, name: string): Promise<string>
  /** Removes what was discarded, with its snapshots. */
  purge(id: VolumeId, snapshots: readonly SnapshotId[]): Promise<void>
  /** What is discarded now, of volumes of this driver that are known and of others. */
  discarded(): Promise<readonly VolumeId[]>
  /** bytes that a discarded volume takes */
  measure(id: VolumeId): Promise<number>
}
