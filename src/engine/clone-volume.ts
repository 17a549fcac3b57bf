/** A new volume with the data of another. It has no record before all of its data is there: nobody can use half of it. */
import { TsnetError } from '../errors.ts'
import type { VolumeRecord, VolumeSpec } from '../store/records.ts'
import { checkVolumeName } from '../values/name.ts'
import type { CopyWatch, VolumeClone } from './engine.ts'
import type { Parts } from './parts.ts'
import { namedAs } from './rename-volume.ts'
import { copyData, withVolumeMounted } from './volume-copies.ts'
import { findVolume } from './volume-removal.ts'
import { makeVolume } from './volumes.ts'

/** Throws kind 'conflict' when there is a volume of the name, and what the copy throws; nothing is left then. */
export async function cloneVolume(
  parts: Parts,
  source: string,
  clone: VolumeClone,
  watch: CopyWatch,
): Promise<VolumeRecord> {
  checkVolumeName(clone.name)
  return parts.locks.runAll([`volume ${source}`, `volume ${clone.name}`], async () => {
    const original = findVolume(parts, source)
    if (parts.store.volumes.has(clone.name)) {
      throw new TsnetError(
        'conflict',
        'volume-exists',
        `clone ${source}: there is a volume ${clone.name} already: give another name`,
      )
    }
    const spec = specOf(original, clone)
    parts.volumeDriver(spec.driver).checkOptions(spec.options)
    return makeVolume(parts, spec, { fill: (made) => fill(parts, original, made, watch) })
  })
}

function specOf(original: VolumeRecord, clone: VolumeClone): VolumeSpec {
  const driver = clone.driver || original.driver
  const inherited = driver === original.driver ? ownOptions(original) : {}
  return {
    name: clone.name,
    driver,
    options: clone.options ?? inherited,
    labels: clone.labels ?? namedAs(original, clone.name).labels,
  }
}

/** The same device would be the same data. */
function ownOptions({ options }: VolumeRecord): VolumeRecord['options'] {
  if (options['device'] === undefined) return options
  const { type: _, o: __, device: ___, ...rest } = options
  return rest
}

async function fill(
  parts: Parts,
  original: VolumeRecord,
  made: VolumeRecord,
  watch: CopyWatch,
): Promise<void> {
  await withVolumeMounted(parts, original, 'clone', (from) =>
    withVolumeMounted(parts, made, 'clone', (to) =>
      copyData(parts, `clone ${original.name}`, { from, to }, watch),
    ),
  )
}
