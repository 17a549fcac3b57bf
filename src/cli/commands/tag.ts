import { defineCommand } from '../command.ts'
import { imagePath } from '../paths.ts'
import { splitReference } from '../values/reference.ts'

export const command = defineCommand({
  usage: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  summary: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
  flags: {},
  arity: [2, 2],
  async run({ client, args: [source, target] }) {
    const { name, tag } = splitReference(target!)
    await client.call('POST', imagePath(source!, 'tag'), { query: { repo: name, tag: tag || 'latest' } })
    return 0
  },
})
