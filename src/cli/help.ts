/** Help texts in Docker's layout. */
import type { Flag, FlagTable } from './argv.ts'
import type { Command } from './command.ts'

/** The line that errors repeat. */
export function formatUsage(name: string, command: Command): string {
  return `Usage:  tsnet ${name}${command.usage === '' ? '' : ` ${command.usage}`}`
}

/** What `--help` prints. */
export function formatHelp(name: string, command: Command): string {
  const options = formatFlags(command.flags)
  const parts = [formatUsage(name, command), command.summary]
  return [...parts, ...(options === '' ? [] : [`Options:\n${options}`])].join('\n\n')
}

/** `  -m, --memory bytes   Memory limit`, sorted by name. */
export function formatFlags(table: FlagTable): string {
  const shown = Object.entries(table).filter(([, flag]) => !flag.hidden)
  const rows = shown
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, flag]): [string, string] => [formatNames(name, flag), flag.help + formatDefault(flag)])
  return formatRows(rows)
}

/** Two columns, the second three spaces after the widest of the first. */
export function formatRows(rows: readonly (readonly [string, string])[], gap = 3): string {
  const width = Math.max(0, ...rows.map(([left]) => left.length)) + gap
  return rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`).join('\n')
}

function formatNames(name: string, flag: Flag<unknown>): string {
  const short = flag.short === undefined ? '    ' : `-${flag.short}, `
  return `${short}--${name}${flag.placeholder === '' ? '' : ` ${flag.placeholder}`}`
}

function formatDefault({ initial }: Flag<unknown>): string {
  if (initial === '' || initial === 0 || initial === false || typeof initial === 'object') return ''
  return ` (default ${JSON.stringify(initial)})`
}
