import type { Case, Contestant, Row } from '../case.ts'
import type { Engine } from '../engines/engine.ts'
import { IMAGE } from '../image.ts'
import { send, timed } from '../request.ts'

async function createContainer({ socket }: Engine): Promise<string> {
  const body = { Image: IMAGE, Cmd: ['sleep', '1000'], HostConfig: { NetworkMode: 'bridge' } }
  return String((await send(socket, 'POST', '/containers/create', body)).json()['Id'])
}

const startContainer = ({ socket }: Engine, id: string) => send(socket, 'POST', `/containers/${id}/start`)
const removeContainer = ({ socket }: Engine, id: string) =>
  send(socket, 'DELETE', `/containers/${id}?force=1`)

async function sampleStart(engine: Engine): Promise<number> {
  let id = ''
  const took = await timed(async () => {
    id = await createContainer(engine)
    await startContainer(engine, id)
  })
  await removeContainer(engine, id)
  return took
}

async function sampleRemove(engine: Engine): Promise<number> {
  const id = await createContainer(engine)
  await startContainer(engine, id)
  return timed(() => removeContainer(engine, id))
}

function sampleNetwork({ socket }: Engine): Promise<number> {
  return timed(async () => {
    await send(socket, 'POST', '/networks/create', { Name: 'bench-api', Driver: 'bridge' })
    await send(socket, 'DELETE', '/networks/bench-api')
  })
}

const row = (
  title: string,
  engines: readonly Engine[],
  sample: (engine: Engine) => Promise<number>,
): Row => ({
  title,
  unit: 'ms',
  contestants: engines.map((engine): Contestant => ({ name: engine.name, sample: () => sample(engine) })),
})

export default {
  name: 'api',
  order: 30,
  title: 'Requests to the API',
  about:
    'Over one kept connection to the engine’s unix socket, without a client program. Containers are on the default ' +
    'bridge and run `sleep`. Podman answers through `podman system service`.',
  async *rows(stage) {
    const engines = await stage.engines('tsnet', 'dockerd', 'podman')
    yield row('create and start a container', engines, sampleStart)
    yield row('remove a running container by force', engines, sampleRemove)
    yield row('create and remove a network', engines, sampleNetwork)
  },
} satisfies Case
