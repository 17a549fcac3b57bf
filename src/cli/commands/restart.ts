import { defineCommand } from '../command.ts'
import { forEach } from '../each.ts'
import { containerPath } from '../paths.ts'
import { stopFlags, stopQuery } from '../stop-flags.ts'

export const command = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Restart one or more containers',
  flags: stopFlags,
  arity: [1, Number.POSITIVE_INFINITY],
  run({ client, flags, given, args }) {
    const query = stopQuery(flags, given)
    return forEach(args, (name) => client.call('POST', containerPath(name, 'restart'), { query }))
  },
})
