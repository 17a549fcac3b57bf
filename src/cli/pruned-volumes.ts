import type { Volume, VolumesPruned } from '../api/schema/volume.ts'
import { print } from './command.ts'
import { alignColumns } from './output.ts'
import { formatSize, formatTimeTo } from './units.ts'

/** Each with what it takes and where it came from, then the sum and when the disk has it. */
export function printPruned(
  head: string,
  { Volumes, SpaceReclaimed }: Omit<VolumesPruned, 'VolumesDeleted'>,
  foot = 'Total reclaimed space',
): void {
  if (Volumes.length > 0) {
    const rows = Volumes.map((volume) => [volume.Name, formatVolumeSize(volume.Size), formatOrigin(volume)])
    print(`${head}\n${alignColumns(rows.map((row) => row.join('\t').trimEnd())).join('\n')}\n`)
  }
  print(`${foot}: ${formatSize(SpaceReclaimed, 4)}${formatDelay(Volumes)}`)
}

/** What is in the trash takes its space until it goes from there. */
function formatDelay(volumes: VolumesPruned['Volumes']): string {
  const end = volumes.find(({ EndsAt }) => EndsAt !== undefined)?.EndsAt
  if (end === undefined) return ''
  return `, in ${formatTimeTo(end)}: until then tsnet volume restore brings them back`
}

/** -1 stands for what is not known. */
export function formatVolumeSize(bytes: number): string {
  return bytes < 0 ? 'N/A' : formatSize(bytes)
}

/** Whose an anonymous volume was: `web:/data (nginx)`; '' for others. */
export function formatOrigin({ Origin }: Pick<Volume, 'Origin'>): string {
  return Origin === undefined ? '' : `${Origin.Container}:${Origin.Target} (${Origin.Image})`
}
