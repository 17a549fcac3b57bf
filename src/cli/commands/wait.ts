import { errorMessage } from '../../errors.ts'
import { defineCommand, print, printError } from '../command.ts'
import { containerPath } from '../paths.ts'

export const command = defineCommand({
  usage: 'CONTAINER [CONTAINER...]',
  summary: 'Block until one or more containers stop, then print their exit codes',
  flags: {},
  arity: [1, Number.POSITIVE_INFINITY],
  async run({ client, args }) {
    const failures: string[] = []
    for (const name of args) {
      try {
        const { StatusCode } = await client.call<{ StatusCode: number }>('POST', containerPath(name, 'wait'))
        print(String(StatusCode))
      } catch (error) {
        failures.push(errorMessage(error))
      }
    }
    for (const failure of failures) printError(failure)
    return failures.length > 0 ? 1 : 0
  },
})
