import { text, toggle } from '../argv.ts'
import { runAttached } from '../attached.ts'
import type { Client } from '../client.ts'
import { defineCommand } from '../command.ts'
import { containerPath } from '../paths.ts'
import { checkInputTerminal } from '../terminal.ts'
import { badValue } from '../values/bad-value.ts'

export const command = defineCommand({
  usage: '[OPTIONS] CONTAINER',
  summary: 'Attach local standard input, output, and error streams to a running container',
  flags: {
    'detach-keys': text('Override the key sequence for detaching a container'),
    'no-stdin': toggle('Do not attach STDIN'),
    'sig-proxy': toggle('Proxy all received signals to the process', { on: true }),
  },
  arity: [1, 1],
  async run({ client, flags, args }) {
    const { Id, Config } = await inspectRunning(client, args[0]!)
    const stdin = !flags['no-stdin'] && Config.OpenStdin
    checkInputTerminal(!flags['no-stdin'], Config.Tty)
    return await runAttached(client, {
      container: Id,
      stdin,
      stdout: true,
      stderr: true,
      tty: Config.Tty,
      detachKeys: flags['detach-keys'],
      forwardsSignals: flags['sig-proxy'] && !Config.Tty,
      until: 'not-running',
      start: async () => {},
    })
  },
})

interface Inspected {
  readonly Id: string
  readonly Config: { readonly Tty: boolean; readonly OpenStdin: boolean }
  readonly State: { readonly Running: boolean; readonly Paused: boolean; readonly Restarting: boolean }
}

async function inspectRunning(client: Client, name: string): Promise<Inspected> {
  const inspected = await client.call<Inspected>('GET', containerPath(name, 'json'))
  const { Running, Paused, Restarting } = inspected.State
  if (!Running) throw badValue('cannot attach to a stopped container, start it first')
  if (Paused) throw badValue('cannot attach to a paused container, unpause it first')
  if (Restarting) throw badValue('cannot attach to a restarting container, wait until it is running')
  return inspected
}
