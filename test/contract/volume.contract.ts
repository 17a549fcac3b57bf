/**
 * What every volume driver does, whatever is behind it. A suite calls this with volumes of its driver; each test gets a driver
 * with nothing in it.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Labels, VolumeRecord } from '../../src/store/records.ts'
import { newId } from '../../src/values/id.ts'
import type { VolumeDriver } from '../../src/volumes/volume.ts'

export interface VolumeLab {
  readonly driver: VolumeDriver
  /** Options of the volumes that are tried, fresh ones for each call: their data is their own. */
  options(): Labels
  /** Whether data outlives the last user. */
  readonly keeps: boolean
  /** The driver of a daemon that starts now in place of the other, which is not asked any more. */
  restart(): VolumeDriver
  close(): Promise<void>
}

export function describeVolumeDriver(name: string, open: () => Promise<VolumeLab>): void {
  describe(`a volume of ${name}`, () => {
    let lab: VolumeLab
    let driver: VolumeDriver
    beforeEach(async () => {
      lab = await open()
      driver = lab.driver
    })
    afterEach(() => lab.close())

    const make = async (volumeName: string): Promise<VolumeRecord> => {
      const options = lab.options()
      driver.checkOptions(options)
      const mountpoint = await driver.create(volumeName, options)
      return recordOf(driver, volumeName, options, mountpoint)
    }

    test('is made, and made again to the same effect', async () => {
      const volume = await make('data')
      expect(await driver.create('data', volume.options)).toBe(volume.mountpoint)
      const path = await driver.mount(volume, 'one')
      writeFileSync(join(path, 'file'), 'text')
      await driver.create('data', volume.options)
      expect(readFileSync(join(path, 'file'), 'utf8')).toBe('text')
      await driver.unmount(volume, 'one')
    })

    test('shows all users the same data', async () => {
      const volume = await make('data')
      const paths = await Promise.all(['one', 'two', 'three'].map((user) => driver.mount(volume, user)))
      expect(new Set(paths).size).toBe(1)
      writeFileSync(join(paths[0]!, 'file'), 'text')
      expect(readFileSync(join(paths[2]!, 'file'), 'utf8')).toBe('text')
      for (const user of ['one', 'two', 'three']) await driver.unmount(volume, user)
    })

    test('stays for those who use it still, counted once each', async () => {
      const volume = await make('data')
      const path = await driver.mount(volume, 'one')
      await driver.mount(volume, 'one')
      await driver.mount(volume, 'two')
      writeFileSync(join(path, 'file'), 'text')
      await driver.unmount(volume, 'one')
      await driver.unmount(volume, 'one')
      expect(readFileSync(join(path, 'file'), 'utf8')).toBe('text')
      await driver.unmount(volume, 'two')
      // nobody uses it: also that is safe to repeat
      await driver.unmount(volume, 'two')
    })

    test('has its data again when it is used again', async () => {
      const volume = await make('data')
      writeFileSync(join(await driver.mount(volume, 'one'), 'file'), 'text')
      await driver.unmount(volume, 'one')
      const path = await driver.mount(volume, 'two')
      expect(existsSync(join(path, 'file'))).toBe(lab.keeps)
      await driver.unmount(volume, 'two')
    })

    test('shares nothing with another', async () => {
      const [first, second] = [await make('first'), await make('second')]
      writeFileSync(join(await driver.mount(first, 'one'), 'file'), 'text')
      expect(existsSync(join(await driver.mount(second, 'one'), 'file'))).toBe(false)
      await driver.unmount(first, 'one')
      await driver.unmount(second, 'one')
    })

    test('is gone after its removal, also after a second one', async () => {
      const volume = await make('data')
      await driver.remove(volume)
      await driver.remove(volume)
      expect(existsSync(volume.mountpoint)).toBe(false)
      const again = await make('data')
      const path = await driver.mount(again, 'one')
      expect(readdirSync(path).filter((entry) => entry !== 'lost+found')).toEqual([])
      await driver.unmount(again, 'one')
    })

    test('stays mounted for its users over a restart of the daemon', async () => {
      const volume = await make('data')
      const path = await driver.mount(volume, 'one')
      writeFileSync(join(path, 'file'), 'text')
      driver = lab.restart()
      await driver.restore([{ volume, users: ['one'] }])
      expect(readFileSync(join(path, 'file'), 'utf8')).toBe('text')
      // it is counted: a second user comes and goes
      await driver.mount(volume, 'two')
      await driver.unmount(volume, 'two')
      expect(readFileSync(join(path, 'file'), 'utf8')).toBe('text')
      await driver.unmount(volume, 'one')
    })
  })
}

export function recordOf(
  driver: VolumeDriver,
  name: string,
  options: Labels,
  mountpoint: string,
): VolumeRecord {
  return {
    id: newId(),
    name,
    driver: driver.name,
    options,
    labels: {},
    anonymous: false,
    protected: false,
    origin: null,
    mountpoint,
    createdAt: '2026-01-01T00:00:00.000Z',
  }
}
