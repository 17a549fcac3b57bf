/** What can be changed of a volume, also while containers use it: labels, protection, its size limit. */
import { TsnetError } from '../errors.ts'
import type { VolumeRecord } from '../store/records.ts'
import type { JournalEntry } from '../store/store.ts'
import type { VolumeChange } from './engine.ts'
import type { Parts } from './parts.ts'
import { findVolume } from './volume-removal.ts'

/** Throws kind 'unsupported' when a size is wanted of a driver that cannot limit any; nothing is changed then. */
export async function updateVolume(parts: Parts, name: string, change: VolumeChange): Promise<VolumeRecord> {
  return parts.locks.run(`volume ${name}`, async () => {
    const volume = findVolume(parts, name)
    const changed = {
      ...volume,
      labels: changeLabels(volume, change),
      protected: change.protected ?? volume.protected,
    }
    if (change.size === '') parts.store.volumes.put(name, changed)
    else await resize(parts, { ...changed, options: { ...volume.options, size: change.size } })
    parts.events.emit('volume', 'update', name, { driver: volume.driver })
    return findVolume(parts, name)
  })
}

function changeLabels(
  volume: VolumeRecord,
  { labelsAdd, labelsRemove }: VolumeChange,
): VolumeRecord['labels'] {
  const kept = Object.entries(volume.labels).filter(([key]) => !labelsRemove.includes(key))
  return { ...Object.fromEntries(kept), ...labelsAdd }
}

async function resize(parts: Parts, changed: VolumeRecord): Promise<void> {
  const { store } = parts
  const driver = parts.volumeDriver(changed.driver)
  if (driver.resize === undefined) {
    throw new TsnetError(
      'unsupported',
      'volume-resize',
      `volume ${changed.name}: the ${driver.name} driver cannot limit its size`,
    )
  }
  driver.checkOptions(changed.options)
  const entry = store.journal.begin('volume-resize', changed.name, changed)
  await using undo = new AsyncDisposableStack()
  undo.defer(() => store.journal.clear(entry))
  await driver.resize(findVolume(parts, changed.name), changed.options)
  store.transaction(() => {
    store.volumes.put(changed.name, changed)
    store.journal.clear(entry)
  })
  undo.move()
}

/** After a crash: which limit counts is not known, so the wanted one is set again. */
export async function finishResize(parts: Parts, entry: JournalEntry): Promise<void> {
  const changed = entry.data as VolumeRecord
  const volume = parts.store.volumes.get(changed.name)
  if (volume?.id !== changed.id) return
  await parts.volumeDriver(volume.driver).resize?.(volume, changed.options)
  parts.store.volumes.put(changed.name, changed)
}
