import type { ContainerMoved } from '../../api/schema/container-move.ts'
import { text } from '../argv.ts'
import { defineCommand, print, printError } from '../command.ts'
import { containerPath } from '../paths.ts'
import { showProgress } from '../progress.ts'

export const command = defineCommand({
  usage: '--to HOST CONTAINER',
  summary: 'Move a container with its volumes and addresses to another host of the cluster',
  flags: { to: text('Name of the host, as in tsnet node ls') },
  arity: [1, 1],
  async run({ client, flags, args: [container = ''] }) {
    const path = `/tsnet/v1${containerPath(container, 'move')}`
    const stream = await client.stream('POST', path, { body: { To: flags.to } })
    const { Name, Error: error } = (await showProgress(stream, process.stderr)) as ContainerMoved
    print(Name)
    if (error === '') return 0
    printError(`${Name} is on host ${flags.to}, but is not known to run there: ${error}`)
    return 1
  },
})
