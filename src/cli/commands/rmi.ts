import { errorKind, errorMessage } from '../../errors.ts'
import { toggle } from '../argv.ts'
import { defineCommand, print, printError } from '../command.ts'
import { imagePath } from '../paths.ts'

type Removed = readonly { readonly Untagged?: string; readonly Deleted?: string }[]

export const command = defineCommand({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Remove one or more images',
  flags: {
    force: toggle('Force removal of the image', { short: 'f' }),
    'no-prune': toggle('Do not delete untagged parents'),
  },
  arity: [1, Number.POSITIVE_INFINITY],
  async run({ client, flags, args }) {
    const failures: unknown[] = []
    for (const image of args) {
      try {
        const query = { force: flags.force, noprune: flags['no-prune'] }
        const removed = await client.call<Removed>('DELETE', imagePath(image), { query })
        for (const { Deleted, Untagged } of removed)
          print(Deleted ? `Deleted: ${Deleted}` : `Untagged: ${Untagged}`)
      } catch (error) {
        failures.push(error)
      }
    }
    for (const failure of failures) printError(errorMessage(failure))
    const isForgiven = flags.force && failures.every((failure) => errorKind(failure) === 'not-found')
    return failures.length === 0 || isForgiven ? 0 : 1
  },
})
