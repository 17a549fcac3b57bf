import { text, toggle } from '../argv.ts'
import { defineCommand, print } from '../command.ts'
import { pullImage } from '../pull-image.ts'
import { canonicalName, splitReference } from '../values/reference.ts'

export const command = defineCommand({
  usage: '[OPTIONS] NAME[:TAG|@DIGEST]',
  summary: 'Download an image from a registry',
  flags: {
    platform: text('Set platform if server is multi-platform capable'),
    quiet: toggle('Suppress verbose output', { short: 'q' }),
  },
  arity: [1, 1],
  async run({ client, flags: { platform, quiet }, args: [image] }) {
    const reference = splitReference(image!)
    if (reference.tag === '' && reference.digest === '' && !quiet) print('Using default tag: latest')
    await pullImage(client, image!, platform, quiet ? { write: () => {} } : process.stdout)
    print(canonicalName(reference))
    return 0
  },
})
