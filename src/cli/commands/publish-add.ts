import { list } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { containerPath } from '../paths.ts'
import { badValue } from '../values/bad-value.ts'
import { parsePublish, toPortBindings } from '../values/ports.ts'

export const command = defineCommand({
  usage: 'CONTAINER -p PORT [-p PORT...]',
  summary: 'Publish ports of a container, at once when it runs, and from its next starts on',
  flags: { publish: list('A port, in any form that run takes', { short: 'p' }) },
  arity: [1, 1],
  async run({ client, flags, args: [container] }) {
    if (flags.publish.length === 0) throw badValue('no ports are given: name them with -p')
    const body = { PortBindings: toPortBindings(flags.publish.flatMap(parsePublish)) }
    await client.call('POST', `/tsnet/v1${containerPath(container!, 'publish')}`, { body })
    return 0
  },
})
