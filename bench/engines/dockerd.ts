import { spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { basename, join } from 'node:path'
import { endProcess, eventually, readCommand } from '../command.ts'
import { IMAGE } from '../image.ts'
import { findProcesses } from '../processes.ts'
import { send } from '../request.ts'
import type { Engine, Ground } from './engine.ts'

/** Debian's own client: another version may stand earlier in PATH. */
const CLIENT = '/usr/bin/docker'
const PROGRAMS = ['dockerd', 'containerd', 'containerd-shim-runc-v2', 'docker-proxy']

/** Starts Debian's dockerd (with its containerd) as it comes, but for its roots. */
export async function startDockerd({ dir, cgroup, rootArchive }: Ground): Promise<Engine> {
  const socket = join(dir, 'docker.sock')
  const log = openSync(join(dir, 'log'), 'w')
  const roots = [
    '--data-root',
    join(dir, 'data'),
    '--exec-root',
    join(dir, 'exec'),
    '--pidfile',
    join(dir, 'pid'),
  ]
  const daemon = spawn(
    'unshare',
    ['--net', 'sh', '-c', 'ip link set lo up; exec /usr/sbin/dockerd "$@"', 'sh', '-H', `unix://${socket}`]
      .concat(roots)
      .concat(['--cgroup-parent', cgroup]),
    { stdio: ['ignore', log, log] },
  )
  await eventually(30, () => send(socket, 'GET', '/_ping'))
  await send(socket, 'POST', `/images/create?fromSrc=-&repo=${encodeURIComponent(IMAGE)}`, rootArchive)
  return {
    name: 'dockerd',
    version: await readCommand([CLIENT, '-H', `unix://${socket}`, 'version', '-f', '{{.Server.Version}}']),
    cli: [CLIENT, '-H', `unix://${socket}`],
    socket,
    processes: () => findProcesses(([program = '']) => PROGRAMS.includes(basename(program))),
    [Symbol.asyncDispose]: () => endProcess(daemon),
  }
}
