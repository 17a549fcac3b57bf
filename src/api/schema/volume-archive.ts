import type { Volume } from './volume.ts'

/** What an import ends with, as the `aux` of its last message. */
export interface VolumeImported {
  Volume: Volume
  /** The snapshot of what an existing volume held before. */
  Kept: string | null
  /** The archive had a check sum, which was right. */
  Verified: boolean
  Entries: number
  /** of all files */
  Bytes: number
}
