import type { Volume } from '../../api/schema/volume.ts'
import { list, map, text } from '../argv.ts'
import { defineCommand, print } from '../command.ts'
import { copyVolume } from '../copy-volume.ts'
import { ownVolumePath } from '../paths.ts'
import { parseLabel, toRecord } from '../values/key-value.ts'

export const command = defineCommand({
  usage: '[OPTIONS] VOLUME NEW',
  summary: 'Create a volume with the data of another',
  flags: {
    driver: text("Specify volume driver name (default the other's)", { short: 'd' }),
    label: list("Set metadata for the new volume (default the other's)", { parse: parseLabel }),
    opt: map("Set driver specific options (default the other's)", { short: 'o' }),
  },
  arity: [2, 2],
  async run({ client, flags, args: [source, name] }) {
    const body = {
      Name: name,
      Driver: flags.driver,
      ...(Object.keys(flags.opt).length > 0 && { DriverOpts: flags.opt }),
      ...(flags.label.length > 0 && { Labels: toRecord(flags.label) }),
    }
    print((await copyVolume<Volume>(client, ownVolumePath(source!, 'clone'), body)).Name)
    return 0
  },
})
