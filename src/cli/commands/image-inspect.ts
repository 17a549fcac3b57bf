import { defineCommand } from '../command.ts'
import { inspectFlags, inspectObjects } from '../inspect-objects.ts'
import { imagePath } from '../paths.ts'

export const command = defineCommand({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Display detailed information on one or more images',
  flags: inspectFlags,
  arity: [1, Number.POSITIVE_INFINITY],
  run({ client, flags: { format }, args }) {
    return inspectObjects(args, format, (name) => client.call('GET', imagePath(name, 'json')))
  },
})
