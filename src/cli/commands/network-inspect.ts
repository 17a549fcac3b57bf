import { toggle } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { inspectFlags, inspectObjects } from '../inspect-objects.ts'
import { networkPath } from '../paths.ts'

export const command = defineCommand({
  usage: '[OPTIONS] NETWORK [NETWORK...]',
  summary: 'Display detailed information on one or more networks',
  flags: { ...inspectFlags, verbose: toggle('Verbose output for diagnostics', { short: 'v' }) },
  arity: [1, Number.POSITIVE_INFINITY],
  run({ client, flags: { format, verbose }, args }) {
    return inspectObjects(args, format, (name) =>
      client.call('GET', networkPath(name), { query: { verbose } }),
    )
  },
})
