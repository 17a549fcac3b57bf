import type { Case, Contestant } from '../case.ts'
import type { Engine } from '../engines/engine.ts'
import { IMAGE } from '../image.ts'
import { residentMemory } from '../processes.ts'
import { send, timed } from '../request.ts'

const FIRST = 20_000
const COUNT = 10_000
const NAME = 'bench-range'

/** As the docker client writes out `-p 20000-29999:20000-29999/udp`. */
function createBody(protocol: string): object {
  const ports = Array.from({ length: COUNT }, (_, index) => String(FIRST + index))
  const bindings = ports.map((port) => [`${port}/${protocol}`, [{ HostIp: '', HostPort: port }]])
  const exposed = ports.map((port) => [`${port}/${protocol}`, {}])
  return {
    Image: IMAGE,
    Cmd: ['sleep', '1000'],
    ExposedPorts: Object.fromEntries(exposed),
    HostConfig: { NetworkMode: 'bridge', PortBindings: Object.fromEntries(bindings) },
  }
}

const start = ({ socket }: Engine) => send(socket, 'POST', `/containers/${NAME}/start`)
const remove = ({ socket }: Engine) => send(socket, 'DELETE', `/containers/${NAME}?force=1`)

async function create({ socket }: Engine, protocol: string): Promise<void> {
  await send(socket, 'POST', `/containers/create?name=${NAME}`, createBody(protocol))
}

async function sampleStart(engine: Engine, protocol: string): Promise<number> {
  await create(engine, protocol)
  const took = await timed(() => start(engine))
  await remove(engine)
  return took
}

export default {
  name: 'range',
  order: 46,
  title: 'A range of ports',
  about:
    `A container that publishes ${COUNT.toLocaleString('en')} ports, over the API: its start, what the engine’s processes then ` +
    'hold more, and the list of running containers.',
  async *rows(stage) {
    const engines = await stage.engines('tsnet')
    const row = (
      title: string,
      unit: 'ms' | 'MiB',
      rounds: number,
      sample: (e: Engine) => Promise<number>,
    ) => ({
      title,
      unit,
      rounds,
      contestants: engines.map((engine): Contestant => ({ name: engine.name, sample: () => sample(engine) })),
    })
    yield row('memory', 'MiB', 1, async (engine) => {
      const before = residentMemory(engine.processes())
      await create(engine, 'udp')
      await start(engine)
      return residentMemory(engine.processes()) - before
    })
    yield row('ps', 'ms', 5, ({ socket }) => timed(() => send(socket, 'GET', '/containers/json')))
    await Promise.all(engines.map(remove))
    for (const protocol of ['tcp', 'udp'])
      yield row(`start, ${protocol}`, 'ms', 5, (engine) => sampleStart(engine, protocol))
  },
} satisfies Case
