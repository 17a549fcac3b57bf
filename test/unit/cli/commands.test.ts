import { describe, expect, test } from 'vitest'
import { commands, groups } from '../../../src/cli/commands.ts'
import { formatHelp } from '../../../src/cli/help.ts'

const all = [
  ...Object.entries(commands).map(([name, load]) => [name, load] as const),
  ...Object.entries(groups).flatMap(([group, { commands: table }]) =>
    Object.entries(table).map(([name, load]) => [`${group} ${name}`, load] as const),
  ),
]

describe.each(all)('tsnet %s', (name, load) => {
  test('has a usage that begins as Docker’s does, and a short flag only once', async () => {
    const { command } = await load()
    const shorts = Object.values(command.flags).flatMap(({ short }) => short ?? [])
    expect(shorts).toEqual([...new Set(shorts)])
    expect(formatHelp(name, command)).toMatch(
      new RegExp(`^Usage:  tsnet ${name}( .+)?\n\n[A-Z][^\n]+[^.\n](\n|$)`),
    )
  })
})

test('the help of a command lists its flags by name with their defaults', async () => {
  const { command } = await commands['logs']!()
  expect(formatHelp('logs', command)).toBe(`Usage:  tsnet logs [OPTIONS] CONTAINER

Fetch the logs of a container

Options:
      --details        Show extra details provided to logs
  -f, --follow         Follow log output
      --since string   Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
  -n, --tail string    Number of lines to show from the end of the logs (default "all")
  -t, --timestamps     Show timestamps
      --until string   Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)`)
})
