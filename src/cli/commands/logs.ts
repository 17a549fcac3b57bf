import { text, toggle } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { containerPath } from '../paths.ts'
import { copyOutput } from '../streams.ts'
import { parseTimestamp } from '../values/timestamp.ts'

const example = '(e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)'

export const command = defineCommand({
  usage: '[OPTIONS] CONTAINER',
  summary: 'Fetch the logs of a container',
  flags: {
    details: toggle('Show extra details provided to logs'),
    follow: toggle('Follow log output', { short: 'f' }),
    since: text(`Show logs since timestamp ${example}`),
    tail: text('Number of lines to show from the end of the logs', { short: 'n', initial: 'all' }),
    timestamps: toggle('Show timestamps', { short: 't' }),
    until: text(`Show logs before a timestamp ${example}`),
  },
  arity: [1, 1],
  async run({ client, flags, args: [name] }) {
    const inspected = await client.call<{ Config: { Tty: boolean } }>('GET', containerPath(name!, 'json'))
    const { details, follow, tail, timestamps } = flags
    const since = parseTimestamp(flags.since, Date.now())
    const until = parseTimestamp(flags.until, Date.now())
    const query = { stdout: true, stderr: true, details, follow, since, tail, timestamps, until }
    await copyOutput(
      await client.stream('GET', containerPath(name!, 'logs'), { query }),
      inspected.Config.Tty,
    )
    return 0
  },
})
