import { list, text } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { openInput } from '../input-file.ts'
import { showProgress } from '../progress.ts'

export const command = defineCommand({
  usage: '[OPTIONS] file|URL|- [REPOSITORY[:TAG]]',
  summary: 'Import the contents from a tarball to create a filesystem image',
  flags: {
    change: list('Apply Dockerfile instruction to the created image', { short: 'c' }),
    message: text('Set commit message for imported image', { short: 'm' }),
    platform: text('Set platform if server is multi-platform capable'),
  },
  arity: [1, 2],
  async run({ client, flags, args: [source, reference] }) {
    const isRemote = /^https?:\/\//.test(source!)
    const body = isRemote ? undefined : source === '-' ? process.stdin : await openInput(source!)
    const query = {
      fromSrc: isRemote ? source : '-',
      repo: reference,
      changes: flags.change,
      message: flags.message,
      platform: flags.platform,
    }
    const answer = await client.stream('POST', '/images/create', { query, ...(body && { body }) })
    await showProgress(answer, process.stdout)
    return 0
  },
})
