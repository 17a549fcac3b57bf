import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Labels } from '../../src/store/records.ts'
import { LocalLab } from '../helpers/volume-lab.ts'
import { describeVolumeDriver, type VolumeLab } from './volume.contract.ts'
import { describeVolumeStorage } from './volume-storage.contract.ts'

/** `options` makes those of the next volume. */
function open(keeps: boolean, options: (lab: LocalLab, number: number) => Labels): () => Promise<VolumeLab> {
  return () => {
    const lab = new LocalLab()
    let number = 0
    return Promise.resolve({
      driver: lab.driver,
      keeps,
      options: () => options(lab, ++number),
      restart: () => lab.restart(),
      close: () => lab.close(),
    })
  }
}

function boundDirectory(lab: LocalLab, number: number): Labels {
  const device = join(lab.root, `source${number}`)
  mkdirSync(device)
  return { type: 'none', device, o: 'bind' }
}

const image = (type: 'ext4' | 'xfs' | 'btrfs') => (lab: LocalLab, number: number) => ({
  type,
  device: lab.image(type, `${type}${number}`),
})

/** What may lie behind a local volume. */
const backings: readonly (readonly [name: string, open: () => Promise<VolumeLab>])[] = [
  ['the local driver', open(true, () => ({}))],
  ['the local driver with an owner', open(true, () => ({ own: '1000:2000' }))],
  ['a tmpfs', open(false, () => ({ type: 'tmpfs', device: 'tmpfs', o: 'size=1m' }))],
  ['a bound directory', open(true, boundDirectory)],
  ['a volume with a size', open(true, () => ({ size: '8m' }))],
  ['an image of ext4', open(true, image('ext4'))],
  ['an image of xfs', open(true, image('xfs'))],
  ['an image of btrfs', open(true, image('btrfs'))],
]

for (const [name, opening] of backings) {
  describeVolumeDriver(name, opening)
  describeVolumeStorage(name, opening)
}
