/** Volumes, and what is kept of them: in the trash, as snapshots, from archives. */
import type { SnapshotId, VolumeId } from '../values/id.ts'
import type { Labels } from './labels.ts'

export interface VolumeSpec {
  /** '' makes an anonymous one */
  readonly name: string
  readonly driver: string
  readonly options: Labels
  readonly labels: Labels
}

export interface VolumeRecord extends VolumeSpec {
  /** Stays when the volume is renamed. */
  readonly id: VolumeId
  readonly createdAt: string
  readonly anonymous: boolean
  /** Absolute path of the data on this host. */
  readonly mountpoint: string
  /** Neither removed nor pruned before that is taken back. */
  readonly protected: boolean
  /** The container for which an anonymous one was made. */
  readonly origin: { readonly container: string; readonly image: string; readonly target: string } | null
}

/** A removed volume that can be restored. */
export interface TrashRecord {
  readonly volume: VolumeRecord
  /** ISO 8601 */
  readonly removedAt: string
  /** bytes, -1 while unknown */
  readonly size: number
}

/** What a volume held at a time. */
export interface SnapshotRecord {
  readonly id: SnapshotId
  readonly volume: VolumeId
  readonly name: string
  readonly createdAt: string
  /** bytes */
  readonly size: number
}

/** What an uploaded archive has become, for a sender that has not heard of it. */
export interface ImportRecord {
  /** the upload's */
  readonly token: string
  readonly volume: VolumeId
  /** What the volume held before. */
  readonly kept: SnapshotId | null
  readonly isVerified: boolean
  readonly entries: number
  /** bytes of all files */
  readonly bytes: number
}
