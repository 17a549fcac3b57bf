import { spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Argv, endProcess, eventually, feedCommand, readCommand } from '../command.ts'
import { IMAGE } from '../image.ts'
import { findProcesses } from '../processes.ts'
import { send } from '../request.ts'
import type { Engine, Ground } from './engine.ts'

/** Podman has no daemon: its client works in the benchmark's own namespaces. Its API service serves the API's rows. */
export async function startPodman({ dir, rootArchive }: Ground): Promise<Engine> {
  const socket = join(dir, 'podman.sock')
  const roots = ['--root', join(dir, 'data'), '--runroot', join(dir, 'run'), '--tmpdir', join(dir, 'tmp')]
  const cli: Argv = [
    'podman',
    ...roots,
    '--network-config-dir',
    join(dir, 'networks'),
    '--cgroup-manager',
    'cgroupfs',
  ]
  await feedCommand([...cli, 'import', '--quiet', '-', IMAGE], rootArchive)
  const log = openSync(join(dir, 'log'), 'w')
  const [program, ...flags] = [...cli, 'system', 'service', '--time', '0', `unix://${socket}`] as const
  const service = spawn(program, flags, { stdio: ['ignore', log, log] })
  await eventually(30, () => send(socket, 'GET', '/_ping'))
  return {
    name: 'podman',
    version: await readCommand(['podman', 'version', '--format', '{{.Client.Version}}']),
    cli,
    socket,
    // Without the service, which is not needed to keep containers.
    processes: () => findProcesses(([program = '']) => basename(program) === 'conmon'),
    [Symbol.asyncDispose]: () => endProcess(service),
  }
}
