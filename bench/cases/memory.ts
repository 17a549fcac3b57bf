import { setTimeout as sleep } from 'node:timers/promises'
import type { Case, Contestant } from '../case.ts'
import type { Engine } from '../engines/engine.ts'
import { IMAGE } from '../image.ts'
import { residentMemory } from '../processes.ts'
import { send } from '../request.ts'

const CONTAINERS = 50
const FIRST_PORT = 20_000

const weigh = (engine: Engine): Contestant => ({
  name: engine.name,
  sample: async () => residentMemory(engine.processes()),
})

async function startIdle({ socket }: Engine, index: number): Promise<string> {
  const ports = { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: String(FIRST_PORT + index) }] }
  const host = { NetworkMode: 'bridge', PortBindings: ports }
  const body = { Image: IMAGE, Cmd: ['sleep', '1000'], ExposedPorts: { '80/tcp': {} }, HostConfig: host }
  const id = String((await send(socket, 'POST', '/containers/create', body)).json()['Id'])
  await send(socket, 'POST', `/containers/${id}/start`)
  return id
}

export default {
  name: 'memory',
  order: 60,
  title: 'Resident memory of the engine',
  about:
    'Proportional set size of all the engine’s own processes: daemon, supervisor and warm inits; dockerd, containerd, ' +
    'shims and docker-proxy; conmon (podman has no daemon). The containers’ programs are not counted. Each of the ' +
    `${CONTAINERS} containers sleeps and publishes a port.`,
  async *rows(stage) {
    const engines = await stage.engines('tsnet', 'dockerd', 'podman')
    const contestants = engines.map(weigh)
    await sleep(1000)
    yield { title: 'no container', unit: 'MiB', rounds: 1, contestants }
    const standing: { engine: Engine; id: string }[] = []
    for (const engine of engines) {
      for (let index = 0; index < CONTAINERS; index++)
        standing.push({ engine, id: await startIdle(engine, index) })
    }
    await sleep(1000)
    yield { title: `${CONTAINERS} containers`, unit: 'MiB', rounds: 1, contestants }
    for (const { engine, id } of standing) await send(engine.socket, 'DELETE', `/containers/${id}?force=1`)
  },
} satisfies Case
