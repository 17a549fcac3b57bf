import { text } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { forEach } from '../each.ts'
import { containerPath } from '../paths.ts'

export const command = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Kill one or more running containers',
  flags: { signal: text('Signal to send to the container', { short: 's' }) },
  arity: [1, Number.POSITIVE_INFINITY],
  run({ client, flags: { signal }, args }) {
    return forEach(args, (name) => client.call('POST', containerPath(name, 'kill'), { query: { signal } }))
  },
})
