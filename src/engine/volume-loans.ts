/** Volumes mounted for somebody who is no container of tsnet's. The records tell who has which, so that it is known after any crash. */
import type { VolumeRecord } from '../store/records.ts'
import type { Parts } from './parts.ts'
import { refuseReplaced, settleLeftOver } from './replace-volume.ts'
import { findVolume } from './volume-removal.ts'

/** Returns the path of the data; safe to repeat for the same user. */
export function lendVolume(parts: Parts, name: string, user: string): Promise<string> {
  return parts.locks.run(`volume ${name}`, async () => {
    const volume = findVolume(parts, name)
    refuseReplaced(parts, volume)
    // Before the mount: one that was given up may have come about.
    parts.store.loans.put(keyOf(name, user), { volume: name, user })
    try {
      const path = await parts.volumeDriver(volume.driver).mount(volume, user)
      await settleLeftOver(parts, volume, path)
      return path
    } catch (error) {
      await giveBack(parts, volume, user)
      throw error
    }
  })
}

/** Safe to repeat. */
export function returnVolume(parts: Parts, name: string, user: string): Promise<void> {
  return parts.locks.run(`volume ${name}`, async () => {
    const volume = parts.store.volumes.get(name)
    if (volume !== undefined) await giveBack(parts, volume, user)
    else parts.store.loans.delete(keyOf(name, user))
  })
}

async function giveBack(parts: Parts, volume: VolumeRecord, user: string): Promise<void> {
  await parts.volumeDriver(volume.driver).unmount(volume, user)
  parts.store.loans.delete(keyOf(volume.name, user))
}

function keyOf(name: string, user: string): string {
  return `${name} ${user}`
}
