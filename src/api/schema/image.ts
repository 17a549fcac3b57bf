/** Images in answers. */
import type { Labels } from '../../store/records.ts'

export interface ImageSummary {
  Id: string
  ParentId: string
  RepoTags: readonly string[]
  RepoDigests: readonly string[]
  /** seconds since the epoch */
  Created: number
  /** bytes */
  Size: number
  /** before API 1.44 */
  VirtualSize?: number
  /** -1: not counted */
  SharedSize: number
  Labels: Labels | null
  /** -1: not counted */
  Containers: number
}

export interface ImageInspect {
  Id: string
  RepoTags: readonly string[]
  RepoDigests: readonly string[]
  Parent: string
  Comment: string
  Created: string
  DockerVersion: string
  Author: string
  /** The image's own document, as it was made. */
  Config: unknown
  Architecture: string
  Variant?: string
  Os: string
  Size: number
  VirtualSize?: number
  GraphDriver: { Name: string; Data: Readonly<Record<string, string>> }
  RootFS: { Type: string; Layers: readonly string[] }
  Metadata: { LastTagTime: string }
}

export interface ImageHistoryItem {
  Id: string
  Created: number
  CreatedBy: string
  Tags: readonly string[] | null
  /** bytes; -1 where the size of the layer alone is not known */
  Size: number
  Comment: string
}

export type ImageRemoved = { Untagged: string } | { Deleted: string }
