/** What every volume driver does, whatever is behind it. Each check gets a driver with none of its volumes in it. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Labels, VolumeRecord } from '../../store/records.ts'
import { newId } from '../../values/id.ts'
import type { VolumeDriver } from '../../volumes/volume.ts'
import type { Check } from './check.ts'

export interface VolumeLab {
  readonly driver: VolumeDriver
  /** Begins the names of all volumes, where the driver may have others; else ''. */
  readonly prefix?: string
  /** Options of the volumes that are tried, fresh ones for each call: their data is their own. */
  options(): Labels
  /** Whether data outlives the last user. */
  readonly keeps: boolean
  /** The driver of a daemon that starts now in place of the other, which is not asked any more. */
  restart(): VolumeDriver | Promise<VolumeDriver>
  close(): Promise<void>
}

export const volumeChecks: readonly Check<VolumeLab>[] = [
  {
    title: 'is made, and made again to the same effect',
    async run(lab) {
      const { driver } = lab
      const volume = await make(lab, 'data')
      assert.equal(await driver.create(volume.name, volume.options), volume.mountpoint)
      const path = await driver.mount(volume, 'one')
      write(path)
      await driver.create(volume.name, volume.options)
      assert.equal(read(path), 'text')
      await driver.unmount(volume, 'one')
    },
  },
  {
    title: 'shows all users the same data',
    async run(lab) {
      const volume = await make(lab, 'data')
      const users = ['one', 'two', 'three']
      const paths = await Promise.all(users.map((user) => lab.driver.mount(volume, user)))
      assert.equal(new Set(paths).size, 1, `users got the paths ${paths.join(', ')}`)
      write(paths[0] ?? '')
      assert.equal(read(paths[2] ?? ''), 'text')
      for (const user of users) await lab.driver.unmount(volume, user)
    },
  },
  {
    title: 'stays for those who use it still, counted once each',
    async run(lab) {
      const { driver } = lab
      const volume = await make(lab, 'data')
      const path = await driver.mount(volume, 'one')
      await driver.mount(volume, 'one')
      await driver.mount(volume, 'two')
      write(path)
      await driver.unmount(volume, 'one')
      await driver.unmount(volume, 'one')
      assert.equal(read(path), 'text')
      await driver.unmount(volume, 'two')
      // nobody uses it: also that is safe to repeat
      await driver.unmount(volume, 'two')
    },
  },
  {
    title: 'has its data again when it is used again',
    async run(lab) {
      const volume = await make(lab, 'data')
      write(await lab.driver.mount(volume, 'one'))
      await lab.driver.unmount(volume, 'one')
      const path = await lab.driver.mount(volume, 'two')
      assert.equal(existsSync(join(path, 'file')), lab.keeps)
      await lab.driver.unmount(volume, 'two')
    },
  },
  {
    title: 'shares nothing with another',
    async run(lab) {
      const [first, second] = [await make(lab, 'first'), await make(lab, 'second')]
      write(await lab.driver.mount(first, 'one'))
      assert.equal(existsSync(join(await lab.driver.mount(second, 'one'), 'file')), false)
      await lab.driver.unmount(first, 'one')
      await lab.driver.unmount(second, 'one')
    },
  },
  {
    title: 'is gone after its removal, also after a second one',
    async run(lab) {
      const volume = await make(lab, 'data')
      await lab.driver.remove(volume)
      await lab.driver.remove(volume)
      assert.equal(existsSync(volume.mountpoint), false, `${volume.mountpoint} is there still`)
      const again = await make(lab, 'data')
      const path = await lab.driver.mount(again, 'one')
      assert.deepEqual(
        readdirSync(path).filter((entry) => entry !== 'lost+found'),
        [],
      )
      await lab.driver.unmount(again, 'one')
    },
  },
  {
    title: 'stays mounted for its users over a restart of the daemon',
    async run(lab) {
      const volume = await make(lab, 'data')
      const path = await lab.driver.mount(volume, 'one')
      write(path)
      const driver = await lab.restart()
      await driver.restore([{ volume, users: ['one'] }])
      assert.equal(read(path), 'text')
      // it is counted: a second user comes and goes
      await driver.mount(volume, 'two')
      await driver.unmount(volume, 'two')
      assert.equal(read(path), 'text')
      await driver.unmount(volume, 'one')
    },
  },
]

async function make(lab: VolumeLab, label: string): Promise<VolumeRecord> {
  const [name, options] = [`${lab.prefix ?? ''}${label}`, lab.options()]
  lab.driver.checkOptions(options)
  return recordOf(lab.driver, name, options, await lab.driver.create(name, options))
}

const write = (path: string): void => writeFileSync(join(path, 'file'), 'text')
const read = (path: string): string => readFileSync(join(path, 'file'), 'utf8')

export function recordOf(
  driver: Pick<VolumeDriver, 'name'>,
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
