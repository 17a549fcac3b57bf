/** What a volume driver does with names and the trash, if it has them at all. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { VolumeRecord } from '../../src/store/records.ts'
import type { VolumeStorage } from '../../src/volumes/volume.ts'
import { recordOf, type VolumeLab } from './volume.contract.ts'

export function describeVolumeStorage(name: string, open: () => Promise<VolumeLab>): void {
  describe(`names and the trash of ${name}`, () => {
    let lab: VolumeLab
    let storage: VolumeStorage
    beforeEach(async () => {
      lab = await open()
      if (lab.driver.storage === undefined) throw new Error(`${name} has no storage`)
      storage = lab.driver.storage
    })
    afterEach(() => lab.close())

    const make = async (volumeName: string): Promise<VolumeRecord> => {
      const options = lab.options()
      return recordOf(lab.driver, volumeName, options, await lab.driver.create(volumeName, options))
    }
    const write = (path: string, text: string): void => writeFileSync(join(path, 'file'), text)
    const read = (path: string): string => readFileSync(join(path, 'file'), 'utf8')

    test('another name is that of the same data, for who uses it already and for who comes after', async () => {
      const volume = await make('data')
      write(await lab.driver.mount(volume, 'one'), 'text')
      const mountpoint = await storage.rename(volume, 'other')
      expect(await storage.rename(volume, 'other')).toBe(mountpoint)
      expect(existsSync(volume.mountpoint)).toBe(false)
      expect(read(mountpoint)).toBe('text')
      const renamed = { ...volume, name: 'other', mountpoint }
      expect(await lab.driver.mount(renamed, 'two')).toBe(mountpoint)
      await lab.driver.unmount(renamed, 'one')
      expect(read(mountpoint)).toBe('text')
      await lab.driver.unmount(renamed, 'two')
    })

    test('a name that something else has on the disk is refused, and both stay as they are', async () => {
      const [first, second] = [await make('first'), await make('second')]
      await expect(storage.rename(first, 'second')).rejects.toMatchObject({ kind: 'conflict' })
      for (const volume of [first, second]) {
        await lab.driver.mount(volume, 'one')
        await lab.driver.unmount(volume, 'one')
      }
    })

    test('what is discarded leaves its name free, and comes back with its data under any name', async () => {
      const volume = await make('data')
      write(await lab.driver.mount(volume, 'one'), 'text')
      await lab.driver.unmount(volume, 'one')
      await storage.discard(volume)
      await storage.discard(volume)
      expect(existsSync(volume.mountpoint)).toBe(false)
      expect(await storage.discarded()).toEqual([volume.id])
      const next = await make('data')
      const mountpoint = await storage.revive(volume, 'back')
      expect(await storage.revive(volume, 'back')).toBe(mountpoint)
      expect(await storage.discarded()).toEqual([])
      const revived = { ...volume, name: 'back', mountpoint }
      const path = await lab.driver.mount(revived, 'two')
      if (lab.keeps) expect(read(path)).toBe('text')
      expect(existsSync(join(await lab.driver.mount(next, 'two'), 'file'))).toBe(false)
      await lab.driver.unmount(next, 'two')
      await lab.driver.unmount(revived, 'two')
    })

    test('what is purged is gone, whatever of it there was', async () => {
      const volume = await make('data')
      await storage.discard(volume)
      expect(await storage.measure(volume.id)).toBeGreaterThan(0)
      await storage.purge(volume.id, [])
      await storage.purge(volume.id, [])
      expect(await storage.discarded()).toEqual([])
      expect(await storage.measure(volume.id)).toBe(0)
      await expect(storage.revive(volume, 'data')).rejects.toMatchObject({ kind: 'not-found' })
    })
  })
}
