/** What every volume driver does, whatever is behind it: the checks of `tsnet driver test`, on drivers of a suite's own. */
import { describe, test } from 'vitest'
import { type VolumeLab, volumeChecks } from '../../src/extensions/checks/volume.ts'

export { recordOf, type VolumeLab } from '../../src/extensions/checks/volume.ts'

/** Each test gets a driver with nothing in it. */
export function describeVolumeDriver(name: string, open: () => Promise<VolumeLab>): void {
  describe(`a volume of ${name}`, () => {
    test.each(volumeChecks)('$title', async ({ run }) => {
      const lab = await open()
      try {
        await run(lab)
      } finally {
        await lab.close()
      }
    })
  })
}
