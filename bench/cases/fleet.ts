import type { Case, Contestant } from '../case.ts'
import type { Engine } from '../engines/engine.ts'
import { IMAGE } from '../image.ts'
import { quantile } from '../measure.ts'
import { send, timed } from '../request.ts'

const STARTS = { all: 100, atOnce: 40, network: 'bench-fleet' }
const FLEET = { networks: 200, each: 5, atOnce: 8 }

/** Works through a list with as many workers as are wanted at once. */
async function share<T>(things: readonly T[], atOnce: number, work: (thing: T) => Promise<unknown>) {
  const left = things.values()
  const worker = async () => {
    for (const thing of left) await work(thing)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

async function startOn({ socket }: Engine, network: string): Promise<string> {
  const body = { Image: IMAGE, Cmd: ['sleep', '1000'], HostConfig: { NetworkMode: network } }
  const id = String((await send(socket, 'POST', '/containers/create', body)).json()['Id'])
  await send(socket, 'POST', `/containers/${id}/start`)
  return id
}

const removeAll = ({ socket }: Engine, ids: readonly string[]) =>
  share(ids, FLEET.atOnce, (id) => send(socket, 'DELETE', `/containers/${id}?force=1`))

/** Milliseconds of the whole, and of the slowest but one in a hundred. */
async function sampleStarts(engine: Engine): Promise<{ whole: number; p99: number }> {
  const ids: string[] = []
  const took: number[] = []
  const start = async () =>
    void took.push(await timed(async () => void ids.push(await startOn(engine, STARTS.network))))
  const whole = await timed(() => share(Array(STARTS.all).fill(null), STARTS.atOnce, start))
  await removeAll(engine, ids)
  return { whole, p99: quantile(took, 0.99) }
}

async function startFleet(engine: Engine): Promise<string[]> {
  const networks = Array.from({ length: FLEET.networks }, (_, index) => `bench-fleet-${index}`)
  for (const [index, Name] of networks.entries()) {
    const IPAM = { Config: [{ Subnet: `10.97.${index}.0/24` }] }
    await send(engine.socket, 'POST', '/networks/create', { Name, IPAM })
  }
  const ids: string[] = []
  const places = Array.from({ length: FLEET.each }, () => networks).flat()
  await share(places, FLEET.atOnce, async (network) => ids.push(await startOn(engine, network)))
  return ids
}

async function removeFleet(engine: Engine, ids: readonly string[]): Promise<void> {
  await removeAll(engine, ids)
  for (let index = 0; index < FLEET.networks; index++)
    await send(engine.socket, 'DELETE', `/networks/bench-fleet-${index}`)
}

const restarting = (engine: Engine): Contestant[] =>
  engine.restart === undefined ? [] : [{ name: engine.name, sample: engine.restart }]

export default {
  name: 'fleet',
  order: 35,
  title: 'Many containers',
  about:
    `${STARTS.all} containers are created and started on one network over the API, ${STARTS.atOnce} at once. Then ` +
    `${FLEET.networks * FLEET.each} containers run on ${FLEET.networks} networks while tsnet’s daemon ends and starts again: the ` +
    'time from its start until it answers, when everything is as it was.',
  async *rows(stage) {
    const engines = await stage.engines('tsnet', 'dockerd')
    const p99s = new Map<string, number>()
    for (const { socket } of engines) await send(socket, 'POST', '/networks/create', { Name: STARTS.network })
    const starting = engines.map((engine) => ({
      name: engine.name,
      async sample() {
        const { whole, p99 } = await sampleStarts(engine)
        p99s.set(engine.name, p99)
        return whole
      },
    }))
    const title = `start ${STARTS.all}, ${STARTS.atOnce} at once`
    yield { title, unit: 'ms', rounds: 1, contestants: starting }
    const remembered = engines.map(({ name }) => ({ name, sample: async () => p99s.get(name)! }))
    yield { title: 'one of them, 99th percentile', unit: 'ms', rounds: 1, contestants: remembered }
    for (const { socket } of engines) await send(socket, 'DELETE', `/networks/${STARTS.network}`)

    for (const engine of await stage.engines('tsnet')) {
      const ids = await startFleet(engine)
      const fleet = `restart beside ${ids.length.toLocaleString('en')} containers on ${FLEET.networks} networks`
      yield { title: fleet, unit: 'ms', rounds: 3, contestants: restarting(engine) }
      await removeFleet(engine, ids)
    }
  },
} satisfies Case
