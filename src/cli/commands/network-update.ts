import { list } from '../argv.ts'
import { defineCommand, print, printError } from '../command.ts'
import { networkPath } from '../paths.ts'
import { badValue } from '../values/bad-value.ts'
import { parseLabel, toRecord } from '../values/key-value.ts'
import { parseIpFlag } from '../values/network.ts'

export const command = defineCommand({
  usage: '[OPTIONS] NETWORK',
  summary: 'Change labels and name servers of a network, also while containers are on it',
  flags: {
    'dns-add': list('Add a name server that its containers ask instead of the host’s', {
      placeholder: 'ip',
      parse: parseIpFlag,
    }),
    'dns-drop': list('Drop a name server', { placeholder: 'ip', parse: parseIpFlag }),
    'label-add': list('Set a label', { parse: parseLabel }),
    'label-rm': list('Remove a label by its key'),
  },
  arity: [1, 1],
  async run({ client, flags, given, args: [name] }) {
    if (given.size === 0) throw badValue('you must provide one or more flags when using this command')
    const body = {
      LabelsAdd: toRecord(flags['label-add']),
      LabelsRemove: flags['label-rm'],
      DnsAdd: flags['dns-add'],
      DnsRemove: flags['dns-drop'],
    }
    const path = `/tsnet/v1${networkPath(name!, 'update')}`
    const { ConfigOnly } = await client.call<{ ConfigOnly: boolean }>('POST', path, { body })
    if (ConfigOnly) printError(`networks made from ${name} before keep what they were made with`)
    print(name!)
    return 0
  },
})
