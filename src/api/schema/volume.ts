/** Volumes: the body of create, and the answers. */
import Type, { type Static } from 'typebox'
import type { Labels } from '../../store/records.ts'
import { flag, text, textMap, texts, unknown } from './fields.ts'

export const VolumeCreate = Type.Object({
  Name: text,
  Driver: text,
  DriverOpts: textMap,
  Labels: textMap,
  ClusterVolumeSpec: unknown,
  Protected: flag,
})
export type VolumeCreate = Static<typeof VolumeCreate>

export interface Volume {
  CreatedAt: string
  Driver: string
  Labels: Labels | null
  Mountpoint: string
  Name: string
  Options: Labels | null
  Scope: string
  /** Of a volume with a size limit: Size and Used, in bytes. Of a mounted one: Mounted, Users, and Trouble where there was some. */
  Status?: Readonly<Record<string, string | number | boolean>>
  /** Only in what /system/df tells; a size of -1 is not known. */
  UsageData?: { Size: number; RefCount: number }
  /** tsnet's own, where it holds: neither rm nor prune removes it. */
  Protected?: true
  /** tsnet's own: for which container an anonymous one was made. */
  Origin?: { Container: string; Image: string; Target: string }
}

/** tsnet's own: what is to change of a volume. */
export const VolumeUpdate = Type.Object({
  LabelsAdd: textMap,
  LabelsRemove: texts,
  Protected: flag,
  Size: text,
})

/** A new volume with the data of another; what is left out is the other's. */
export const VolumeClone = Type.Object({
  Name: text,
  Driver: text,
  DriverOpts: textMap,
  Labels: textMap,
})
export type VolumeClone = Static<typeof VolumeClone>

export const VolumeSnapshotCreate = Type.Object({ Name: text, Pause: flag })

export const VolumeRollback = Type.Object({ Snapshot: text, Now: flag })

/** What a volume held at a time. */
export interface VolumeSnapshot {
  Id: string
  Name: string
  CreatedAt: string
  /** bytes of content */
  Size: number
}

export interface VolumeSnapshotList {
  Snapshots: readonly VolumeSnapshot[]
}

/** The last message of a rollback. */
export interface VolumeRolledBack {
  /** The snapshot of what was there before. */
  Kept: VolumeSnapshot | null
}

export const VolumeRename = Type.Object({ Name: text })

export interface VolumesPruned {
  VolumesDeleted: readonly string[] | null
  /** bytes */
  SpaceReclaimed: number
  /** tsnet's own: of each what it takes, -1 where that is not known, and until when it can be restored, if it can. */
  Volumes: readonly (Pick<Volume, 'Name' | 'Origin'> & { Size: number; EndsAt?: string })[]
}

/** A removed volume that can be restored. */
export interface TrashedVolume extends Omit<Volume, 'Mountpoint' | 'Scope' | 'UsageData'> {
  Id: string
  /** bytes, -1 while not known */
  Size: number
  RemovedAt: string
  /** When it goes for good. */
  EndsAt: string
}

export interface VolumeTrashList {
  Volumes: readonly TrashedVolume[]
}

export interface VolumeList {
  Volumes: readonly Volume[]
  Warnings: readonly string[] | null
}
