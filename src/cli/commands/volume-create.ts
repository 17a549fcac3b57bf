import type { Volume } from '../../api/schema/volume.ts'
import { list, map, text, toggle } from '../argv.ts'
import { defineCommand, print, printError } from '../command.ts'
import { badValue } from '../values/bad-value.ts'
import { parseLabel, toRecord } from '../values/key-value.ts'

export const command = defineCommand({
  usage: '[OPTIONS] [VOLUME]',
  summary: 'Create a volume',
  flags: {
    driver: text('Specify volume driver name', { short: 'd', initial: 'local' }),
    label: list('Set metadata for a volume', { parse: parseLabel }),
    name: text('Specify volume name', { hidden: true }),
    opt: map('Set driver specific options', { short: 'o' }),
    protect: toggle('Refuse to remove or prune it, until volume update --protect=false'),
  },
  arity: [0, 1],
  async run({ client, flags, args: [named] }) {
    if (named !== undefined && flags.name !== '') {
      const clash = 'cannot specify a volume-name through both --name and as a positional arg'
      throw badValue(`conflicting options: ${clash}`)
    }
    const body = {
      Name: named ?? flags.name,
      Driver: flags.driver,
      DriverOpts: flags.opt,
      Labels: toRecord(flags.label),
      Protected: flags.protect,
    }
    const made = await client.call<Volume>('POST', '/volumes/create', { body })
    for (const what of differences(body, made)) {
      printError(
        `WARNING: volume ${made.Name} was there already, with other ${what}: they are left as they are`,
      )
    }
    print(made.Name)
    return 0
  },
})

interface Wish {
  readonly DriverOpts: Readonly<Record<string, string>>
  readonly Labels: Readonly<Record<string, string>>
  readonly Protected: boolean
}

/** What is not as it was wished for: as in Docker, a volume that there is already counts as created. */
function differences(wish: Wish, made: Volume): string[] {
  const lacks = (wanted: Readonly<Record<string, string>>, present: Volume['Labels']) =>
    Object.entries(wanted).some(([key, content]) => present?.[key] !== content)
  return [
    ...(lacks(wish.DriverOpts, made.Options) ? ['options'] : []),
    ...(lacks(wish.Labels, made.Labels) ? ['labels'] : []),
    ...(wish.Protected && made.Protected !== true ? ['protection'] : []),
  ]
}
