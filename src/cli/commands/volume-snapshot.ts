import type { VolumeSnapshot } from '../../api/schema/volume.ts'
import { toggle } from '../argv.ts'
import { defineCommand, print } from '../command.ts'
import { copyVolume } from '../copy-volume.ts'
import { ownVolumePath } from '../paths.ts'

export const command = defineCommand({
  usage: '[OPTIONS] VOLUME [SNAPSHOT]',
  summary: 'Keep what a volume holds now; without a name it is called by the time',
  flags: { pause: toggle('Let containers that use the volume stand still meanwhile', { short: 'p' }) },
  arity: [1, 2],
  async run({ client, flags: { pause }, args: [volume, name = ''] }) {
    const body = { Name: name, Pause: pause }
    print((await copyVolume<VolumeSnapshot>(client, ownVolumePath(volume!, 'snapshots'), body)).Name)
    return 0
  },
})
