import type { GuestStatus } from '../../api/schema/guest.ts'
import { text } from '../argv.ts'
import { defineCommand, print } from '../command.ts'

export const command = defineCommand({
  usage: '[OPTIONS]',
  summary: "Offer tsnet's drivers to dockerd, from now on and after restarts",
  flags: {
    name: text('Name of the plugin for addresses and volumes; those of network drivers begin with it', {
      initial: 'tsnet',
    }),
    'socket-dir': text('Where dockerd looks for sockets of plugins', { initial: '/run/docker/plugins' }),
  },
  arity: [0, 0],
  async run({ client, flags }) {
    const wanted = { SocketDirectory: flags['socket-dir'], Name: flags.name }
    const { Plugins } = await client.call<GuestStatus>('PUT', '/tsnet/v1/plugin', { body: wanted })
    for (const { Name, Kinds } of Plugins) print(`${Name}: ${Kinds.join(', ')}`)
    return 0
  },
})
