import { defineCommand, print } from '../command.ts'
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
    print(await createContainer(client, body, flags))
    return 0
  },
})
