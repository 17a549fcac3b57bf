import type { Case, Contestant } from '../case.ts'
import { type Argv, timeCommand } from '../command.ts'
import type { Engine } from '../engines/engine.ts'
import { TRUE_BUNDLE } from '../engines/runc.ts'
import { IMAGE } from '../image.ts'
import type { Stage } from '../stage.ts'

const NETWORK = 'bench-run'
const VOLUME = 'bench-data'

/** Ports differ because podman, unlike the others, shares the benchmark's own network namespace. */
const PUBLISHED = '18080:80'

const runner = (engine: Engine, flags: readonly string[]): Contestant => ({
  name: engine.name,
  sample: () => timeCommand([...engine.cli, 'run', '--rm', ...flags, IMAGE, 'true']),
})

const bareRunc = (stage: Stage, engine: Engine): Contestant => ({
  name: engine.name,
  sample: () =>
    timeCommand([...engine.cli, 'run', '--bundle', `${stage.dir}/runc/${TRUE_BUNDLE}`, 'bench-true']),
})

export default {
  name: 'run',
  order: 10,
  title: '`run --rm IMAGE true`, from the shell to its exit status',
  about:
    'The whole command with each engine’s own client: the container is made, started, waited for and removed. runc ' +
    'starts a prepared bundle in a fresh network namespace without interfaces, which is why it has no other rows.',
  async *rows(stage) {
    const engines = await stage.engines('tsnet', 'dockerd', 'podman')
    const runc = await stage.engines('runc')
    const alone = engines.map((engine) => runner(engine, ['--network', 'none']))
    const bare = runc.map((engine) => bareRunc(stage, engine))
    yield { title: 'no network', unit: 'ms', contestants: [...alone, ...bare] }
    yield { title: 'default bridge', unit: 'ms', contestants: engines.map((engine) => runner(engine, [])) }

    await eachEngine(engines, ['network', 'create', NETWORK])
    await eachEngine(engines, ['volume', 'create', VOLUME])
    const flags = ['--network', NETWORK, '-p', PUBLISHED, '-v', `${VOLUME}:/data`]
    yield {
      title: 'own network, a port and a volume',
      unit: 'ms',
      contestants: engines.map((engine) => runner(engine, flags)),
    }
    await eachEngine(engines, ['volume', 'rm', VOLUME])
    await eachEngine(engines, ['network', 'rm', NETWORK])
  },
} satisfies Case

async function eachEngine(engines: readonly Engine[], args: readonly string[]): Promise<void> {
  for (const engine of engines) await timeCommand([...engine.cli, ...args] as unknown as Argv)
}
