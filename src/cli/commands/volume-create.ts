import { list, map, text } from '../argv.ts'
import { defineCommand, print } from '../command.ts'
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
    }
    print((await client.call<{ Name: string }>('POST', '/volumes/create', { body })).Name)
    return 0
  },
})
