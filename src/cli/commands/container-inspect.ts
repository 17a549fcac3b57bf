import { toggle } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { inspectFlags, inspectObjects } from '../inspect-objects.ts'
import { containerPath } from '../paths.ts'

export const command = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Display detailed information on one or more containers',
  flags: { ...inspectFlags, size: toggle('Display total file sizes', { short: 's' }) },
  arity: [1, Number.POSITIVE_INFINITY],
  run({ client, flags: { format, size }, args }) {
    return inspectObjects(args, format, (name) =>
      client.call('GET', containerPath(name, 'json'), { query: { size } }),
    )
  },
})
