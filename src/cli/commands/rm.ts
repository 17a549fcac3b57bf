import { TsnetError } from '../../errors.ts'
import { toggle } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { forEach } from '../each.ts'
import { containerPath } from '../paths.ts'

export const command = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Remove one or more containers',
  flags: {
    force: toggle('Force the removal of a running container (uses SIGKILL)', { short: 'f' }),
    volumes: toggle('Remove anonymous volumes associated with the container', { short: 'v' }),
  },
  arity: [1, Number.POSITIVE_INFINITY],
  run({ client, flags: { force, volumes }, args }) {
    const remove = async (given: string) => {
      const name = given.replace(/^\/+|\/+$/g, '')
      if (name === '') throw new TsnetError('invalid', 'container-name', 'container name cannot be empty')
      await client.call('DELETE', containerPath(name), { query: { force, v: volumes } })
    }
    return forEach(args, remove, force ? { absence: 'told' } : {})
  },
})
