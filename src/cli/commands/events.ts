import { errorMessage } from '../../errors.ts'
import { text, value } from '../argv.ts'
import { defineCommand, ExitError, print } from '../command.ts'
import { formatInstant } from '../list-time.ts'
import { evaluateTemplate } from '../template/evaluate.ts'
import { parseTemplate } from '../template/parse.ts'
import { addFilter } from '../values/filter.ts'
import { parseTimestamp } from '../values/timestamp.ts'

interface Event {
  readonly Type: string
  readonly Action: string
  readonly Actor: { readonly ID: string; readonly Attributes?: Readonly<Record<string, string>> | null }
  readonly time: number
}

export const command = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Get real time events from the server',
  flags: {
    filter: value('Filter output based on conditions provided', 'filter', {}, addFilter, { short: 'f' }),
    format: text('Format output using a custom template: "json" or a Go template'),
    since: text('Show all events created since timestamp'),
    until: text('Stream events until this timestamp'),
  },
  arity: [0, 0],
  async run({ client, flags }) {
    const format = createFormat(flags.format)
    const since = parseTimestamp(flags.since, Date.now())
    const until = parseTimestamp(flags.until, Date.now())
    const events = await client.stream('GET', '/events', { query: { since, until, filters: flags.filter } })
    let rest = ''
    for await (const chunk of events.setEncoding('utf8')) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()!
      for (const line of lines) if (line.trim() !== '') print(format(line))
    }
    return 0
  },
})

/** Takes an event as it came: its JSON is passed on untouched, because a number of nanoseconds does not survive parsing. */
function createFormat(format: string): (line: string) => string {
  if (format === '') return describe
  if (format === 'json' || /^\{\{\s*json\s+\.\s*\}\}$/.test(format)) return (line) => line.trim()
  try {
    const template = parseTemplate(format)
    return (line) => evaluateTemplate(template, JSON.parse(line))
  } catch (error) {
    throw new ExitError(64, `Error parsing format: ${errorMessage(error)}`)
  }
}

function describe(line: string): string {
  const { Type, Action, Actor, time } = JSON.parse(line) as Event
  const nanoseconds = /"timeNano":(\d+)/.exec(line)?.[1]?.slice(-9) ?? '000000000'
  const attributes = Object.entries(Actor.Attributes ?? {}).map(([key, content]) => `${key}=${content}`)
  const shown = attributes.length > 0 ? ` (${attributes.sort().join(', ')})` : ''
  return `${formatInstant(time, nanoseconds)} ${Type} ${Action} ${Actor.ID}${shown}`
}
