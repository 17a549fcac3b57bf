import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Case, Contestant } from '../case.ts'
import { endProcess } from '../command.ts'
import type { Asked, Asking } from '../dns-asker.ts'
import type { Engine } from '../engines/engine.ts'
import { IMAGE } from '../image.ts'
import { send } from '../request.ts'
import type { Stage } from '../stage.ts'

const NETWORK = 'bench-dns'
/** Half of them names that were asked before, half of them new. */
const FLOOD: Asking = {
  names: ['bench-quiet', '*.example', 'known.example', '*.example'],
  perSecond: 5000,
  seconds: 2,
}
const QUIET: Asking = { names: ['bench-loud'], perSecond: 100, seconds: 2 }
const NOTHING: Asking = { ...QUIET, perSecond: 0 }

/** A script of the bench folder in the network namespace of a process; resolves when it says that it is ready. */
async function startInside(stage: Stage, pid: number, script: string): Promise<ChildProcess> {
  const command = [`--net=/proc/${pid}/ns/net`, process.execPath, join(stage.root, 'bench', script)]
  const child = spawn('nsenter', command, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  await once(child, 'message')
  return child
}

async function ask(asker: ChildProcess, asking: Asking): Promise<Asked> {
  const answer = once(asker, 'message')
  asker.send(asking)
  return (await answer)[0] as Asked
}

async function startContainer({ socket }: Engine, name: string, server: string): Promise<number> {
  const body = { Image: IMAGE, Cmd: ['sleep', '1000'], HostConfig: { NetworkMode: NETWORK, Dns: [server] } }
  await send(socket, 'POST', `/containers/create?name=${name}`, body)
  await send(socket, 'POST', `/containers/${name}/start`)
  const { State } = (await send(socket, 'GET', `/containers/${name}/json`)).json() as {
    State: { Pid: number }
  }
  return State.Pid
}

/** A network with two containers, and the distant server on its gateway. */
async function prepare(stage: Stage, engine: Engine): Promise<Place> {
  const config = [{ Subnet: '10.98.0.0/24', Gateway: '10.98.0.1' }]
  await send(engine.socket, 'POST', '/networks/create', { Name: NETWORK, IPAM: { Config: config } })
  const [daemon = 0] = engine.processes()
  const upstream = await startInside(stage, daemon, 'dns-upstream.ts')
  const loud = await startInside(
    stage,
    await startContainer(engine, 'bench-loud', '10.98.0.1'),
    'dns-asker.ts',
  )
  const quiet = await startInside(
    stage,
    await startContainer(engine, 'bench-quiet', '10.98.0.1'),
    'dns-asker.ts',
  )
  return { engine, processes: [upstream, loud, quiet], loud, quiet }
}

interface Place {
  readonly engine: Engine
  readonly processes: readonly ChildProcess[]
  readonly loud: ChildProcess
  readonly quiet: ChildProcess
}

async function remove({ engine, processes }: Place): Promise<void> {
  await Promise.all(processes.map(endProcess))
  for (const name of ['bench-loud', 'bench-quiet']) {
    await send(engine.socket, 'DELETE', `/containers/${name}?force=1`)
  }
  await send(engine.socket, 'DELETE', `/networks/${NETWORK}`)
}

/** What the quiet container waits for a name while the loud one asks. */
function contestant(place: Place, noise: Asking, quiet: Asking, figure: 'median' | 'p99'): Contestant {
  return {
    name: place.engine.name,
    async sample() {
      const [heard, asked] = await Promise.all([ask(place.loud, noise), ask(place.quiet, quiet)])
      if (process.env['BENCH_VERBOSE']) console.error(place.engine.name, heard, asked)
      // who does not answer at all is not fast
      return asked.answered < asked.sent ? Number.POSITIVE_INFINITY : asked[figure]
    },
  }
}

export default {
  name: 'dns',
  order: 47,
  title: 'Names',
  about:
    `What a container waits for a neighbour’s name, asking ${QUIET.perSecond} times a second for ${QUIET.seconds} s: alone, and ` +
    `while another one asks ${FLOOD.perSecond} times a second, a quarter of them for a neighbour, a quarter for one name of the ` +
    'world, half for new names of the world, whose server takes 200 ms and loses every twentieth packet; ∞ where not all were answered.',
  async *rows(stage) {
    const places: Place[] = []
    for (const engine of await stage.engines('tsnet', 'dockerd')) places.push(await prepare(stage, engine))
    const row = (title: string, noise: Asking, quiet: Asking, figure: 'median' | 'p99') => ({
      title,
      unit: 'ms' as const,
      rounds: 3,
      contestants: places.map((place) => contestant(place, noise, quiet, figure)),
    })
    yield row('alone, median', NOTHING, QUIET, 'median')
    yield row('beside 5,000 queries a second, 99th percentile', FLOOD, QUIET, 'p99')
    const known = { ...QUIET, names: ['known.example'] }
    yield row('a known name of the world beside them, 99th percentile', FLOOD, known, 'p99')
    await Promise.all(places.map(remove))
  },
} satisfies Case
