import { text, toggle } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { openInput } from '../input-file.ts'
import { showProgress } from '../progress.ts'
import { badValue } from '../values/bad-value.ts'

export const command = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Load an image from a tar archive or STDIN',
  flags: {
    input: text('Read from tar archive file, instead of STDIN', { short: 'i' }),
    quiet: toggle('Suppress the load output', { short: 'q' }),
  },
  arity: [0, 0],
  async run({ client, flags }) {
    if (flags.input === '' && process.stdin.isTTY)
      throw badValue('requested load from stdin, but stdin is empty')
    const body = flags.input === '' ? process.stdin : await openInput(flags.input)
    const query = { quiet: flags.quiet || !process.stdout.isTTY }
    await showProgress(await client.stream('POST', '/images/load', { query, body }), process.stdout)
    return 0
  },
})
