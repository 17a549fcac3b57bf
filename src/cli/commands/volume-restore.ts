import type { Volume } from '../../api/schema/volume.ts'
import { text } from '../argv.ts'
import { defineCommand, print } from '../command.ts'
import { trashPath } from '../paths.ts'

export const command = defineCommand({
  usage: '[OPTIONS] VOLUME',
  summary: 'Bring a removed volume back from the trash, the latest of its name',
  flags: { as: text('Name it is to have', { placeholder: 'name' }) },
  arity: [1, 1],
  async run({ client, flags: { as }, args: [name] }) {
    print((await client.call<Volume>('POST', trashPath(name!, 'restore'), { query: { as } })).Name)
    return 0
  },
})
