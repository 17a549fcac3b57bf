import { text, toggle } from '../argv.ts'
import { defineCommand, ExitError, print } from '../command.ts'
import { buildCreateBody, type CreateBody } from '../create-body.ts'
import { checkPullPolicy, createContainer } from '../create-container.ts'
import { containerFlags } from '../flags.ts'
import { startContainer } from '../start-container.ts'
import { checkInputTerminal, terminalSize } from '../terminal.ts'
import { parseDetachKeys } from '../values/detach-keys.ts'

const detached: Partial<CreateBody> = {
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  StdinOnce: false,
}

export const command = defineCommand({
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  summary: 'Create and run a new container from an image',
  flags: {
    ...containerFlags,
    detach: toggle('Run container in background and print container ID', { short: 'd' }),
    'detach-keys': text('Override the key sequence for detaching a container'),
    'sig-proxy': toggle('Proxy received signals to the process', { on: true }),
  },
  arity: [1, Number.POSITIVE_INFINITY],
  interspersed: false,
  failure: 125,
  async run({ client, flags, given, args }) {
    checkPullPolicy(flags.pull)
    parseDetachKeys(flags['detach-keys'])
    const body = buildCreateBody(flags, given, args as [string, ...string[]], {
      directory: process.cwd(),
      environment: process.env,
      consoleSize: terminalSize(),
    })
    if (!flags.detach) checkInputTerminal(body.AttachStdin, body.Tty)
    else if (flags.attach.length === 0) Object.assign(body, detached)
    else throw new ExitError(1, 'conflicting options: cannot specify both --attach and --detach')
    const id = await createContainer(client, body, flags)
    if (!body.AttachStdin && !body.AttachStdout && !body.AttachStderr) {
      await startContainer(client, id)
      print(id)
      return 0
    }
    const { runAttached } = await import('../attached.ts')
    return await runAttached(client, {
      container: id,
      stdin: body.AttachStdin,
      stdout: body.AttachStdout,
      stderr: body.AttachStderr,
      tty: body.Tty,
      detachKeys: flags['detach-keys'],
      forwardsSignals: flags['sig-proxy'],
      until: body.HostConfig.AutoRemove ? 'removed' : 'next-exit',
      start: () => startContainer(client, id),
    })
  },
})
