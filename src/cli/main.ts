/** The user's side of tsnet: turns arguments into requests to the daemon and its answers into text. */
import { errorMessage, TsnetError } from '../errors.ts'
import { version } from '../version.ts'
import { parseFlags, text, toggle } from './argv.ts'
import { createClient } from './client.ts'
import { type Command, ExitError, print, printError } from './command.ts'
import { aliases, commands, groups, type Load } from './commands.ts'
import { chooseHost, type HostFlags } from './host.ts'

const globalFlags = {
  help: toggle('Print usage', { hidden: true, short: 'h' }),
  host: text('Daemon socket to connect to', { short: 'H' }),
  tlscacert: text('Trust certs signed only by this CA'),
  tlscert: text('Path to TLS certificate file'),
  tlskey: text('Path to TLS key file'),
  tlsverify: toggle('Use TLS and verify the remote'),
  version: toggle('Print version information and quit', { short: 'v' }),
}

const helpFlag = toggle('Print usage', { hidden: true })

async function main(argv: readonly string[]): Promise<number> {
  const { values, rest } = readGlobalFlags(argv)
  if (values.version) {
    print(`tsnet version ${version}`)
    return 0
  }
  const isHelp = values.help || rest[0] === 'help'
  const words = rest[0] === 'help' ? rest.slice(1) : rest
  const group = words[0] !== undefined && Object.hasOwn(groups, words[0]) ? groups[words[0]] : undefined
  const name = words.slice(0, group ? 2 : 1).join(' ')
  const load = findCommand(words)
  if (!load) return await explain(words, isHelp)
  const { command } = await load()
  return await runCommand(name, command, isHelp ? ['--help'] : words.slice(group ? 2 : 1), values)
}

function readGlobalFlags(argv: readonly string[]) {
  try {
    return parseFlags(globalFlags, argv, false)
  } catch (error) {
    throw usageError(error, 'Usage:  tsnet [OPTIONS] COMMAND [ARG...]', 'tsnet')
  }
}

function findCommand([first = '', second = '']: readonly string[]): Load | undefined {
  const group = Object.hasOwn(groups, first) ? groups[first] : undefined
  const table = group ? group.commands : commands
  const name = group ? (aliases[second] ?? second) : first
  return Object.hasOwn(table, name) ? table[name] : undefined
}

async function explain(words: readonly string[], isHelp: boolean): Promise<number> {
  const { formatOverview, formatGroupHelp } = await import('./overview.ts')
  const [first, second] = words
  if (first === undefined) {
    print(await formatOverview(globalFlags))
    return 0
  }
  const group = Object.hasOwn(groups, first) ? groups[first]! : undefined
  if (group && (second === undefined || second === '--help')) {
    print(await formatGroupHelp(first, group))
    return 0
  }
  if (isHelp) throw new ExitError(1, `unknown help topic: ${words.join(' ')}`)
  const usage = group ? `Usage:  tsnet ${first}\n\n` : ''
  const path = group ? `tsnet ${first}` : 'tsnet'
  const unknown = group ? `${path} ${second}` : `${path} ${first}`
  throw new ExitError(
    1,
    `tsnet: unknown command: ${unknown}\n\n${usage}Run '${path} --help' for more information`,
  )
}

async function runCommand(
  name: string,
  command: Command,
  args: readonly string[],
  hostFlags: HostFlags,
): Promise<number> {
  const { formatUsage, formatHelp } = await import('./help.ts')
  const usage = formatUsage(name, command)
  const { values, given, rest } = readCommandFlags(name, command, args, usage)
  if (values['help']) {
    print(formatHelp(name, command))
    return 0
  }
  checkArity(name, command, rest, usage)
  const host = chooseHost(hostFlags, process.env)
  const client = createClient(host, async (error) =>
    (await import('./start-daemon.ts')).startDaemon(host, error),
  )
  try {
    return await command.run({ client, flags: values, given, args: rest })
  } catch (error) {
    if (command.failure === undefined || error instanceof ExitError) throw error
    const { startFailureStatus } = await import('./start-failure.ts')
    const message = errorMessage(error)
    throw new ExitError(
      startFailureStatus(error),
      `tsnet: ${message}\n\nRun 'tsnet ${name} --help' for more information`,
    )
  }
}

function readCommandFlags(name: string, command: Command, args: readonly string[], usage: string) {
  try {
    return parseFlags({ ...command.flags, help: helpFlag }, args, command.interspersed ?? true)
  } catch (error) {
    throw usageError(error, usage, `tsnet ${name}`)
  }
}

function usageError(error: unknown, usage: string, path: string): unknown {
  if (!(error instanceof TsnetError)) return error
  return new ExitError(125, `${error.message}\n\n${usage}\n\nRun '${path} --help' for more information`)
}

function checkArity(name: string, { arity }: Command, args: readonly string[], usage: string): void {
  const [least, most] = arity
  if (args.length >= least && args.length <= most) return
  const plural = (count: number) => `${count} argument${count === 1 ? '' : 's'}`
  const bound = args.length < least ? `at least ${plural(least)}` : `at most ${plural(most)}`
  const counted = least === most ? `requires ${plural(least)}` : `requires ${bound}`
  const wanted = most === 0 ? 'accepts no arguments' : counted
  const path = `tsnet ${name}`
  const hint = bound.startsWith('at least') && least !== most ? 'See' : 'Run'
  throw new ExitError(
    1,
    `tsnet: '${path}' ${wanted}\n\n${usage}\n\n${hint} '${path} --help' for more information`,
  )
}

/** A reader that has gone away, as in `tsnet ps | head -1`, is no error of ours. */
function leaveQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') printError(error.message)
  process.exit(error.code === 'EPIPE' ? 0 : 1)
}

/** Ends the program once all that it has printed is written: a pipe takes no more than its reader has made room for. */
async function leave(status: number): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map(untilWritten))
  process.exit(status)
}

function untilWritten(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return Promise.resolve()
  return new Promise((resolve) => stream.write('', () => resolve()))
}

process.on('uncaughtException', leaveQuietly)
main(process.argv.slice(2)).then(leave, (error: unknown) => {
  const message = errorMessage(error)
  if (message !== '') printError(message)
  return leave(error instanceof ExitError ? error.status : 1)
})
