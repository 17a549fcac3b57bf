/** Volumes: the body of create, and the answers. */
import Type, { type Static } from 'typebox'
import type { Labels } from '../../store/records.ts'
import { text, textMap, unknown } from './fields.ts'

export const VolumeCreate = Type.Object({
  Name: text,
  Driver: text,
  DriverOpts: textMap,
  Labels: textMap,
  ClusterVolumeSpec: unknown,
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
  /** Only in what /system/df tells; a size of -1 is not known. */
  UsageData?: { Size: number; RefCount: number }
}

export interface VolumeList {
  Volumes: readonly Volume[]
  Warnings: readonly string[] | null
}
