import { toggle } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { checkName, networkPath } from '../paths.ts'

export const command = defineCommand({
  usage: '[OPTIONS] NETWORK CONTAINER',
  summary: 'Disconnect a container from a network',
  flags: { force: toggle('Force the container to disconnect from a network', { short: 'f' }) },
  arity: [2, 2],
  async run({ client, flags: { force }, args: [network, container] }) {
    const path = networkPath(network!, 'disconnect')
    await client.call('POST', path, { body: { Container: checkName('container', container!), Force: force } })
    return 0
  },
})
