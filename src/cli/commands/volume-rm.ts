import { toggle } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { forEach } from '../each.ts'
import { volumePath } from '../paths.ts'

export const command = defineCommand({
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  summary: 'Remove one or more volumes',
  flags: {
    force: toggle('Force the removal of one or more volumes', { short: 'f' }),
    now: toggle('Remove for good, past the trash'),
  },
  arity: [1, Number.POSITIVE_INFINITY],
  run({ client, flags: { force, now }, args }) {
    return forEach(args, (name) => client.call('DELETE', volumePath(name), { query: { force, now } }), {
      inTurn: true,
    })
  },
})
