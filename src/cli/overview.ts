/** The lists of commands, for `tsnet` and `tsnet GROUP` alone. */
import type { FlagTable } from './argv.ts'
import { commands, type Group, groups, type Load } from './commands.ts'
import { formatFlags, formatRows } from './help.ts'

/** What `tsnet` alone prints. */
export async function formatOverview(globalFlags: FlagTable): Promise<string> {
  const managed = Object.entries(groups).map(([name, { summary }]): [string, string] => [name, summary])
  return [
    'Usage:  tsnet [OPTIONS] COMMAND',
    'Containers, their networks and their volumes',
    `Commands:\n${await formatCommands(commands)}`,
    `Management Commands:\n${formatRows(managed, 2)}`,
    `Processes:\n${formatRows([['daemon', 'Serve the API and look after containers']], 2)}`,
    `Global Options:\n${formatFlags(globalFlags)}`,
    "Run 'tsnet COMMAND --help' for more information on a command.",
  ].join('\n\n')
}

/** What `tsnet network` alone prints. */
export async function formatGroupHelp(name: string, group: Group): Promise<string> {
  return [
    `Usage:  tsnet ${name} COMMAND`,
    group.summary,
    `Commands:\n${await formatCommands(group.commands)}`,
    `Run 'tsnet ${name} COMMAND --help' for more information on a command.`,
  ].join('\n\n')
}

async function formatCommands(table: Readonly<Record<string, Load>>): Promise<string> {
  const loaded = Object.entries(table).map(async ([name, load]): Promise<[string, string]> => {
    return [name, (await load()).command.summary]
  })
  const rows = await Promise.all(loaded)
  return formatRows(
    rows.sort(([one], [other]) => (one < other ? -1 : 1)),
    2,
  )
}
