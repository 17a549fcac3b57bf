import type { Volume, VolumesPruned } from '../api/schema/volume.ts'
import { print } from './command.ts'
import { alignColumns } from './output.ts'
import { formatSize } from './units.ts'

/** Each with what it takes and where it came from, then the sum, as Docker prints it. */
export function printPruned(head: string, { Volumes, SpaceReclaimed }: VolumesPruned): void {
  if (Volumes.length > 0) {
    const rows = Volumes.map((volume) => [volume.Name, formatVolumeSize(volume.Size), formatOrigin(volume)])
    print(`${head}\n${alignColumns(rows.map((row) => row.join('\t').trimEnd())).join('\n')}\n`)
  }
  print(`Total reclaimed space: ${formatSize(SpaceReclaimed, 4)}`)
}

/** -1 stands for what is not known. */
export function formatVolumeSize(bytes: number): string {
  return bytes < 0 ? 'N/A' : formatSize(bytes)
}

/** Whose an anonymous volume was: `web:/data (nginx)`; '' for others. */
export function formatOrigin({ Origin }: Pick<Volume, 'Origin'>): string {
  return Origin === undefined ? '' : `${Origin.Container}:${Origin.Target} (${Origin.Image})`
}
