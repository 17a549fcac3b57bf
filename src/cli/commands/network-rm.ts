import { toggle } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { forEach } from '../each.ts'
import { networkPath } from '../paths.ts'

export const command = defineCommand({
  usage: 'NETWORK [NETWORK...]',
  summary: 'Remove one or more networks',
  flags: { force: toggle('Do not error if the network does not exist', { short: 'f' }) },
  arity: [1, Number.POSITIVE_INFINITY],
  run({ client, flags: { force }, args }) {
    return forEach(args, (name) => client.call('DELETE', networkPath(name)), {
      ...(force && { absence: 'ignored' }),
      inTurn: true,
    })
  },
})
