import { text, toggle } from '../argv.ts'
import type { Client } from '../client.ts'
import { defineCommand, ExitError, print, printError } from '../command.ts'
import { containerPath } from '../paths.ts'
import { checkInputTerminal } from '../terminal.ts'
import { badValue } from '../values/bad-value.ts'

export const command = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Start one or more stopped containers',
  flags: {
    attach: toggle('Attach STDOUT/STDERR and forward signals', { short: 'a' }),
    'detach-keys': text('Override the key sequence for detaching a container'),
    interactive: toggle("Attach container's STDIN", { short: 'i' }),
  },
  arity: [1, Number.POSITIVE_INFINITY],
  async run({ client, flags, args }) {
    if (!flags.attach && !flags.interactive) return await startAll(client, args)
    if (args.length > 1) throw badValue('you cannot start and attach multiple containers at once')
    return await startAttached(client, args[0]!, flags.interactive, flags['detach-keys'])
  },
})

async function startAll(client: Client, names: readonly string[]): Promise<number> {
  const failed: string[] = []
  for (const name of names) {
    try {
      await client.call('POST', containerPath(name, 'start'))
      print(name)
    } catch (error) {
      printError((error as Error).message)
      failed.push(name)
    }
  }
  if (failed.length > 0) throw new ExitError(1, `failed to start containers: ${failed.join(', ')}`)
  return 0
}

interface Inspected {
  readonly Id: string
  readonly Config: { readonly Tty: boolean; readonly OpenStdin: boolean }
  readonly HostConfig: { readonly AutoRemove: boolean }
}

async function startAttached(
  client: Client,
  name: string,
  wantsInput: boolean,
  detachKeys: string,
): Promise<number> {
  const { Id, Config, HostConfig } = await client.call<Inspected>('GET', containerPath(name, 'json'))
  const stdin = wantsInput && Config.OpenStdin
  checkInputTerminal(stdin, Config.Tty)
  const { runAttached } = await import('../attached.ts')
  return await runAttached(client, {
    container: Id,
    stdin,
    stdout: true,
    stderr: true,
    tty: Config.Tty,
    detachKeys,
    forwardsSignals: !Config.Tty,
    until: HostConfig.AutoRemove ? 'removed' : 'next-exit',
    start: async () => {
      await client.call('POST', containerPath(Id, 'start'))
    },
  })
}
