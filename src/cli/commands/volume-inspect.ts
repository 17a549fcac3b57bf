import { defineCommand } from '../command.ts'
import { inspectFlags, inspectObjects } from '../inspect-objects.ts'
import { volumePath } from '../paths.ts'

export const command = defineCommand({
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  summary: 'Display detailed information on one or more volumes',
  flags: inspectFlags,
  arity: [1, Number.POSITIVE_INFINITY],
  run({ client, flags: { format }, args }) {
    return inspectObjects(args, format, (name) => client.call('GET', volumePath(name)))
  },
})
