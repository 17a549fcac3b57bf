import { errorMessage, TsnetError } from '../../errors.ts'
import { defineCommand } from '../command.ts'
import { containerPath } from '../paths.ts'

export const command = defineCommand({
  usage: 'CONTAINER NEW_NAME',
  summary: 'Rename a container',
  flags: {},
  arity: [2, 2],
  async run({ client, args: [container, name] }) {
    try {
      await client.call('POST', containerPath(container!, 'rename'), { query: { name } })
    } catch (cause) {
      throw new TsnetError('invalid', 'rename', `failed to rename container: ${errorMessage(cause)}`, {
        cause,
      })
    }
    return 0
  },
})
