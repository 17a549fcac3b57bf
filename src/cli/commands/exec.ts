import { type FlagValues, list, text, toggle } from '../argv.ts'
import type { Client } from '../client.ts'
import { defineCommand } from '../command.ts'
import { containerPath } from '../paths.ts'
import { copyStreams } from '../streams.ts'
import { checkInputTerminal, followSize, terminalSize } from '../terminal.ts'
import { parseDetachKeys } from '../values/detach-keys.ts'
import { parseEnv, readKeyValueFiles } from '../values/key-value.ts'

const flags = {
  detach: toggle('Detached mode: run command in the background', { short: 'd' }),
  'detach-keys': text('Override the key sequence for detaching a container'),
  env: list('Set environment variables', { short: 'e', parse: (one) => parseEnv(one, process.env) }),
  'env-file': list('Read in a file of environment variables'),
  interactive: toggle('Keep STDIN open even if not attached', { short: 'i' }),
  privileged: toggle('Give extended privileges to the command'),
  tty: toggle('Allocate a pseudo-TTY', { short: 't' }),
  user: text('Username or UID (format: "<name|uid>[:<group|gid>]")', { short: 'u' }),
  workdir: text('Working directory inside the container', { short: 'w' }),
}

export const command = defineCommand({
  usage: '[OPTIONS] CONTAINER COMMAND [ARG...]',
  summary: 'Execute a command in a running container',
  flags,
  arity: [2, Number.POSITIVE_INFINITY],
  interspersed: false,
  async run({ client, flags: given, args: [container, ...argv] }) {
    const body = buildExecBody(given, argv)
    if (!given.detach) checkInputTerminal(body.AttachStdin, body.Tty)
    const { Id } = await client.call<{ Id: string }>('POST', containerPath(container!, 'exec'), { body })
    const start = { Detach: given.detach, Tty: given.tty, ...(given.tty && { ConsoleSize: consoleSize() }) }
    if (given.detach) {
      await client.call('POST', `/exec/${Id}/start`, { body: start })
      return 0
    }
    return await runInteractively(client, Id, start, body, parseDetachKeys(given['detach-keys']))
  },
})

function buildExecBody(given: FlagValues<typeof flags>, argv: readonly string[]) {
  return {
    AttachStdin: given.interactive && !given.detach,
    AttachStdout: !given.detach,
    AttachStderr: !given.detach,
    Cmd: argv,
    DetachKeys: given['detach-keys'],
    Env: [...readKeyValueFiles(given['env-file'], process.env), ...given.env],
    Privileged: given.privileged,
    Tty: given.tty,
    User: given.user,
    WorkingDir: given.workdir,
    ...(given.tty && { ConsoleSize: consoleSize() }),
  }
}

function consoleSize(): [number, number] {
  const { rows, columns } = terminalSize()
  return [rows, columns]
}

async function runInteractively(
  client: Client,
  id: string,
  start: object,
  { AttachStdin, Tty }: { readonly AttachStdin: boolean; readonly Tty: boolean },
  detachKeys: readonly number[],
): Promise<number> {
  const connection = await client.hijack(`/exec/${id}/start`, { body: start })
  using _size = Tty
    ? followSize(({ rows, columns }) =>
        client.call('POST', `/exec/${id}/resize`, { query: { h: rows, w: columns } }),
      )
    : undefined
  const end = await copyStreams(connection, { stdin: AttachStdin, tty: Tty, detachKeys })
  if (end === 'detached') return 0
  const { ExitCode } = await client.call<{ ExitCode: number | null }>('GET', `/exec/${id}/json`)
  return ExitCode ?? 0
}
