import { errorMessage } from '../../errors.ts'
import { defineCommand, ExitError, print } from '../command.ts'
import { buildCreateBody } from '../create-body.ts'
import { checkPullPolicy, createContainer } from '../create-container.ts'
import { containerFlags } from '../flags.ts'
import { terminalSize } from '../terminal.ts'

export const command = defineCommand({
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  summary: 'Create a new container',
  flags: containerFlags,
  arity: [1, Number.POSITIVE_INFINITY],
  interspersed: false,
  failure: 125,
  async run({ client, flags, given, args }) {
    checkPullPolicy(flags.pull)
    const body = buildCreateBody(flags, given, args as [string, ...string[]], {
      directory: process.cwd(),
      environment: process.env,
      consoleSize: terminalSize(),
    })
    try {
      print(await createContainer(client, body, flags))
    } catch (error) {
      // As with Docker, 125 says that the command line was wrong.
      throw new ExitError(1, errorMessage(error))
    }
    return 0
  },
})
