/** What `stop` and `restart` share. */
import { type FlagValues, integer, text } from './argv.ts'
import { badValue } from './values/bad-value.ts'

/** `--time` is the name that `--timeout` had before. */
export const stopFlags = {
  signal: text('Signal to send to the container', { short: 's' }),
  time: integer('Seconds to wait before killing the container', { hidden: true }),
  timeout: integer('Seconds to wait before killing the container', { short: 't' }),
}

/** The query of the API; without a flag the container's own timeout counts. */
export function stopQuery(flags: FlagValues<typeof stopFlags>, given: ReadonlySet<string>) {
  if (given.has('time') && given.has('timeout')) {
    throw badValue('conflicting options: cannot specify both --timeout and --time')
  }
  const t = given.has('time') ? flags.time : given.has('timeout') ? flags.timeout : undefined
  return { signal: flags.signal, t }
}
