/** Volumes out of and into archives, as the API sees them (docs/volumes.md). */

import type { Readable } from 'node:stream'
import type { Labels, SnapshotRecord, VolumeRecord } from '../../store/records.ts'
import type { CopyWatch } from './volumes.ts'

/** Volumes out of and into archives (docs/volumes.md). */
export interface VolumeArchives {
  /**
   * The archive, or what is behind the part that is there. Throws kind 'conflict', code 'volume-changed', when it does not begin
   * with that part any more. A failure later breaks off the stream.
   */
  export(volume: string, resume: VolumeExport['resume'], watch: CopyWatch): Promise<Readable>
  /** bytes of an upload that are there; its token is 32 hex digits, chosen by its sender. */
  uploaded(token: string): Promise<number>
  /** Goes on with an upload, or begins it anew at 0; returns how much is there. Throws kind 'conflict' for another offset. */
  receive(token: string, offset: number, bytes: Readable): Promise<number>
  /** Makes a volume of an upload. Throws kind 'invalid' for an archive that is broken or hostile; nothing is left then. */
  import(volume: string, token: string, wanted: VolumeImport, watch: CopyWatch): Promise<ImportedVolume>
}

export interface VolumeExport {
  /** How many bytes of an archive are there already, and their check sum. */
  readonly resume: { readonly offset: number; readonly sha256: string } | null
}

export interface VolumeImport {
  /** '' for local */
  readonly driver: string
  readonly options: Labels
  /** null for those that the archive tells */
  readonly labels: Labels | null
  /** An existing volume gets the archive's content. */
  readonly replace: boolean
  /** With `replace`: without keeping what is there as a snapshot. */
  readonly now: boolean
  /** The most bytes of all files; null for what there is room for. */
  readonly maxSize: number | null
  readonly maxEntries: number
}

export interface ImportedVolume {
  readonly volume: VolumeRecord
  /** What an existing volume held before. */
  readonly kept: SnapshotRecord | null
  /** The archive had a check sum, which was right. */
  readonly isVerified: boolean
  readonly entries: number
  /** bytes of all files */
  readonly bytes: number
}
