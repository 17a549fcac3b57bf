import { setTimeout as sleep } from 'node:timers/promises'
import type { Case, Contestant } from '../case.ts'
import { timeCommand } from '../command.ts'
import type { Engine } from '../engines/engine.ts'
import { SLEEP_BUNDLE } from '../engines/runc.ts'
import { IMAGE } from '../image.ts'

const NAME = 'bench-exec'

const runner = (engine: Engine): Contestant => ({
  name: engine.name,
  sample: () => timeCommand([...engine.cli, 'exec', NAME, 'true']),
})

export default {
  name: 'exec',
  order: 20,
  title: '`exec CONTAINER true`, from the shell to its exit status',
  about: 'The whole command with each engine’s own client, in a container that is already running.',
  async *rows(stage) {
    const engines = await stage.engines('tsnet', 'dockerd', 'podman')
    const runc = await stage.engines('runc')
    for (const engine of engines) {
      await timeCommand([...engine.cli, 'run', '-d', '--name', NAME, IMAGE, 'sleep', '1000'])
    }
    for (const engine of runc) {
      const bundle = `${stage.dir}/runc/${SLEEP_BUNDLE}`
      await timeCommand([...engine.cli, 'run', '--detach', '--bundle', bundle, NAME])
    }
    await sleep(500)
    yield { title: 'exec', unit: 'ms', contestants: [...engines, ...runc].map(runner) }
    for (const engine of engines) await timeCommand([...engine.cli, 'rm', '-f', NAME])
    for (const engine of runc) await timeCommand([...engine.cli, 'delete', '--force', NAME])
  },
} satisfies Case
