/** Volumes that drivers have and no record knows: made by other engines, or before tsnet came. */
import type { VolumeRecord } from '../store/records.ts'
import type { Parts } from './parts.ts'

/** Waits for nobody: what a driver has not said yet is missing. The first driver counts where two have one name. */
export function otherVolumes({
  store,
  volumeDrivers,
}: Pick<Parts, 'store' | 'volumeDrivers'>): VolumeRecord[] {
  const others = new Map<string, VolumeRecord>()
  for (const driver of volumeDrivers()) {
    for (const { name, mountpoint, createdAt } of driver.present?.() ?? []) {
      if (store.volumes.has(name) || others.has(name)) continue
      const facts = { name, driver: driver.name, mountpoint, createdAt }
      const unknown = { id: '' as VolumeRecord['id'], options: {}, labels: {}, anonymous: false }
      others.set(name, { ...facts, ...unknown, protected: false, origin: null })
    }
  }
  return [...others.values()]
}
