import { list, text, toggle } from '../argv.ts'
import { defineCommand, print } from '../command.ts'
import { ownVolumePath } from '../paths.ts'
import { badValue } from '../values/bad-value.ts'
import { parseLabel, toRecord } from '../values/key-value.ts'

export const command = defineCommand({
  usage: '[OPTIONS] VOLUME',
  summary: 'Change labels, protection and size of a volume, also while containers use it',
  flags: {
    label: list('Set a label', { parse: parseLabel }),
    'label-rm': list('Remove a label by its key'),
    protect: toggle('Refuse to remove or prune it, until --protect=false'),
    size: text('Change how much it may hold, e.g. 64m or 2g', { placeholder: 'bytes' }),
  },
  arity: [1, 1],
  async run({ client, flags, given, args: [name] }) {
    if (given.size === 0) throw badValue('you must provide one or more flags when using this command')
    const body = {
      LabelsAdd: toRecord(flags.label),
      LabelsRemove: flags['label-rm'],
      Size: flags.size,
      ...(given.has('protect') && { Protected: flags.protect }),
    }
    await client.call('POST', ownVolumePath(name!, 'update'), { body })
    print(name!)
    return 0
  },
})
