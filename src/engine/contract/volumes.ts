/** Volumes with their snapshots and their trash, as the API sees them. */
import type {
  ContainerRecord,
  Labels,
  SnapshotRecord,
  TrashRecord,
  VolumeRecord,
  VolumeSpec,
} from '../../store/records.ts'
import type { VolumeStatus, VolumeUsage } from '../../volumes/volume.ts'

/** What is to change of a volume. */
export interface VolumeChange {
  readonly labelsAdd: Labels
  /** keys */
  readonly labelsRemove: readonly string[]
  /** null leaves it as it is */
  readonly protected: boolean | null
  /** as the option `size`; '' leaves it as it is */
  readonly size: string
}

export interface PrunedVolume {
  readonly volume: VolumeRecord
  /** bytes, -1 when it cannot be told */
  readonly size: number
  /** ISO 8601: until when it can be restored; null when it cannot be. */
  readonly endsAt: string | null
}

export interface Volumes {
  /** An existing volume of the same driver is returned as it is; a driver of '' is whichever it has, and local for a new one. */
  create(spec: VolumeSpec, isProtected?: boolean): Promise<VolumeRecord>
  /** Into the trash, or for good with `now`. With `force` a missing one is no failure. */
  remove(name: string, removal: { force: boolean; now: boolean }): Promise<void>
  /**
   * Removes those that no container mounts, that are not protected and that `selected` agrees to; a dry run only tells which.
   * Throws kind 'conflict' during another prune.
   */
  prune(
    selected: (volume: VolumeRecord) => boolean,
    pruning: { dryRun: boolean; now: boolean },
  ): Promise<readonly PrunedVolume[]>
  update(name: string, change: VolumeChange): Promise<VolumeRecord>
  /** Also while containers use it. */
  rename(name: string, wanted: string): Promise<VolumeRecord>
  /** Throws kind 'conflict' when the name is taken. */
  clone(source: string, clone: VolumeClone, watch: CopyWatch): Promise<VolumeRecord>
  readonly snapshots: VolumeSnapshots
  readonly trash: VolumeTrash
  get(name: string): VolumeRecord
  list(): readonly VolumeRecord[]
  /** What drivers have besides, as far as they have said. It becomes tsnet's when it is used, or created by its name. */
  others(): readonly VolumeRecord[]
  /** What is used of a volume's limit, told at once; null without a limit. */
  quota(name: string): Promise<VolumeUsage | null>
  /** What its driver knows of it without a question to anybody; null when it has nothing to say. */
  status(name: string): VolumeStatus | null
  /** bytes that each volume takes, by name; those that cannot be told in time are missing. */
  sizes(): Promise<ReadonlyMap<string, number>>
  /** Mounts a volume for somebody who is no container, and returns the path of the data; safe to repeat for the same user. */
  lend(name: string, user: string): Promise<string>
  /** Safe to repeat. */
  takeBack(name: string, user: string): Promise<void>
  /** Whom it is lent to. */
  borrowers(name: string): readonly string[]
  /** Containers that mount volumes, by the volumes' names. */
  users(): ReadonlyMap<string, readonly ContainerRecord[]>
}

/** How a clone differs from its source: null, or '' for the driver, is the source's. */
export interface VolumeClone {
  readonly name: string
  readonly driver: string
  readonly options: Labels | null
  readonly labels: Labels | null
}

/** Somebody who waits for data to be copied. */
export interface CopyWatch {
  /** bytes; `total` is what is known of it until now */
  progress?(bytes: number, total: number): void
  readonly signal?: AbortSignal
}

export interface Rollback {
  /** Without keeping what is there. */
  readonly now: boolean
}

/** What a volume held at times. `ref` is a snapshot's name or the beginning of its id. */
export interface VolumeSnapshots {
  /** The oldest first. */
  list(volume: string): readonly SnapshotRecord[]
  /** Named by the time when `name` is ''. With `pause` the containers that run with the volume stand still meanwhile. */
  create(volume: string, wanted: { name: string; pause: boolean }, watch: CopyWatch): Promise<SnapshotRecord>
  remove(volume: string, ref: string): Promise<void>
  /** Returns the snapshot of what was there before, null with `now`. Throws kind 'conflict' while containers run with the volume. */
  rollback(volume: string, ref: string, rollback: Rollback, watch: CopyWatch): Promise<SnapshotRecord | null>
}

/** Removed volumes. `ref` is the name that one had, of which the latest is meant, or the beginning of its id. */
export interface VolumeTrash {
  /** The latest first. */
  list(): readonly TrashRecord[]
  /** Under its own name, or under `as` unless that is ''. */
  restore(ref: string, as: string): Promise<VolumeRecord>
  /** For good. Returns what it was. */
  remove(ref: string): Promise<PrunedVolume>
  empty(): Promise<readonly PrunedVolume[]>
  /** ISO 8601: when it goes by itself. */
  endsAt(record: TrashRecord): string
}
