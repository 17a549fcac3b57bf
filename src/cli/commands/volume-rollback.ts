import type { VolumeRolledBack } from '../../api/schema/volume.ts'
import { toggle } from '../argv.ts'
import { defineCommand, print } from '../command.ts'
import { copyVolume } from '../copy-volume.ts'
import { ownVolumePath } from '../paths.ts'

export const command = defineCommand({
  usage: '[OPTIONS] VOLUME SNAPSHOT',
  summary:
    'Give a volume the content of a snapshot; what it held is kept as another one, whose name is printed',
  flags: { now: toggle('Do not keep what it holds') },
  arity: [2, 2],
  async run({ client, flags: { now }, args: [volume, snapshot] }) {
    const body = { Snapshot: snapshot, Now: now }
    const { Kept } = await copyVolume<VolumeRolledBack>(client, ownVolumePath(volume!, 'rollback'), body)
    if (Kept !== null) print(Kept.Name)
    return 0
  },
})
