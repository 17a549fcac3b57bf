import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { type Argv, endProcess, eventually, readCommand } from '../command.ts'
import { IMAGE } from '../image.ts'
import { findProcesses } from '../processes.ts'
import { send } from '../request.ts'
import type { Engine, Ground } from './engine.ts'

/** Starts the built daemon as a user would, but for its roots. */
export async function startTsnet(root: string, { dir, rootArchive }: Ground): Promise<Engine> {
  const socket = join(dir, 'tsnet.sock')
  const log = openSync(join(dir, 'log'), 'w')
  const roots = [
    '--data-root',
    join(dir, 'data'),
    '--exec-root',
    join(dir, 'exec'),
    '--pidfile',
    join(dir, 'pid'),
  ]
  const command = [join(root, 'tsnet'), 'daemon', '-H', `unix://${socket}`, ...roots]
  const launch = (entry: Argv) =>
    spawn(entry[0], [...entry.slice(1), ...command], { stdio: ['ignore', log, log] })
  const answers = () => eventually(30, () => send(socket, 'GET', '/_ping'))
  let daemon = launch(['unshare', '--net', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh'])
  await answers()
  const netns = openSync(`/proc/${daemon.pid}/ns/net`, 'r')
  await send(socket, 'POST', `/images/create?fromSrc=-&repo=${encodeURIComponent(IMAGE)}`, rootArchive)
  const cli: Argv = [join(root, 'tsnet'), '-H', `unix://${socket}`]
  return {
    name: 'tsnet',
    version: await readCommand(['git', '-C', root, 'describe', '--always', '--dirty']),
    cli,
    socket,
    async restart() {
      await endProcess(daemon)
      const began = performance.now()
      daemon = launch(['nsenter', `--net=/proc/${process.pid}/fd/${netns}`])
      await answers()
      return performance.now() - began
    },
    processes: () => findProcesses((argv) => argv.some((part) => part.startsWith(`${root}/dist/`))),
    async [Symbol.asyncDispose]() {
      await endProcess(daemon)
      closeSync(netns)
    },
  }
}
