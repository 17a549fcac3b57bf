import { defineCommand } from '../command.ts'
import { ownVolumePath } from '../paths.ts'

export const command = defineCommand({
  usage: 'VOLUME NEW_NAME',
  summary: 'Rename a volume, also while containers use it',
  flags: {},
  arity: [2, 2],
  async run({ client, args: [name, wanted] }) {
    await client.call('POST', ownVolumePath(name!, 'rename'), { body: { Name: wanted! } })
    return 0
  },
})
