import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { feedCommand, readCommand } from '../command.ts'
import type { Engine, Ground } from './engine.ts'

/** The bundle whose program is `true`, and the one which sleeps, below an engine's folder. */
export const TRUE_BUNDLE = 'true'
export const SLEEP_BUNDLE = 'sleep'

/** runc starts what others have prepared: the floor below which no engine that calls it can come. */
export async function startRunc({ dir, cgroup, rootArchive }: Ground): Promise<Engine> {
  mkdirSync(join(dir, 'rootfs'))
  await feedCommand(['tar', '-C', join(dir, 'rootfs'), '-x'], rootArchive)
  await makeBundle(dir, TRUE_BUNDLE, cgroup, ['true'])
  await makeBundle(dir, SLEEP_BUNDLE, cgroup, ['sleep', '1000'])
  const [version = ''] = (await readCommand(['runc', '--version'])).split('\n')
  return {
    name: 'runc',
    version: version.replace('runc version ', ''),
    cli: ['runc', '--root', join(dir, 'state')],
    socket: '',
    processes: () => [],
    [Symbol.asyncDispose]: async () => {},
  }
}

/** runc's own example of a bundle, with another program, a writable root and no terminal. */
async function makeBundle(dir: string, name: string, cgroup: string, args: readonly string[]): Promise<void> {
  const bundle = join(dir, name)
  mkdirSync(bundle)
  await readCommand(['runc', 'spec', '--bundle', bundle])
  const path = join(bundle, 'config.json')
  const spec = JSON.parse(readFileSync(path, 'utf8'))
  spec.process.terminal = false
  spec.process.args = args
  spec.root = { path: join(dir, 'rootfs'), readonly: false }
  spec.linux.cgroupsPath = `${cgroup}/${name}`
  writeFileSync(path, JSON.stringify(spec))
}
