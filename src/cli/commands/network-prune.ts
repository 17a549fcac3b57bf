import type { NetworksPruned } from '../../api/schema/network.ts'
import { toggle, value } from '../argv.ts'
import { defineCommand, print } from '../command.ts'
import { confirm } from '../confirm.ts'
import { addFilter } from '../values/filter.ts'

export const command = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Remove all unused networks',
  flags: {
    filter: value('Provide filter values (e.g. "until=<timestamp>")', 'filter', {}, addFilter),
    force: toggle('Do not prompt for confirmation', { short: 'f' }),
  },
  arity: [0, 0],
  async run({ client, flags: { filter, force } }) {
    if (!force) {
      await confirm(
        'This will remove all custom networks not used by at least one container.',
        'network prune has been cancelled',
      )
    }
    const { NetworksDeleted } = await client.call<NetworksPruned>('POST', '/networks/prune', {
      query: { filters: filter },
    })
    if (NetworksDeleted !== null && NetworksDeleted.length > 0) {
      print(`Deleted Networks:\n${NetworksDeleted.join('\n')}\n`)
    }
    return 0
  },
})
