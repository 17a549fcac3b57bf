import { defineCommand } from '../command.ts'

export const command = defineCommand({
  usage: '',
  summary: "Do not offer tsnet's drivers to dockerd any more; what it has of them stays",
  flags: {},
  arity: [0, 0],
  async run({ client }) {
    await client.call('DELETE', '/tsnet/v1/plugin')
    return 0
  },
})
