import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { AttachBench } from '../attach.ts'
import type { Case, Contestant, Row } from '../case.ts'
import type { Engine } from '../engines/engine.ts'
import { IMAGE } from '../image.ts'
import { send, timed } from '../request.ts'
import type { Stage } from '../stage.ts'

const IN_A_ROW = 10
/** Endpoints that stand already. */
const BESIDE = 500
const NAME = 'bench-attach'

const BRIDGE = {
  cniVersion: '0.4.0',
  name: NAME,
  type: 'bridge',
  bridge: 'bench-cni',
  isGateway: true,
  ipam: { type: 'host-local', ranges: [[{ subnet: '10.93.0.0/16' }], [{ subnet: 'fd00:93::/64' }]] },
}

/** Asks the CNI bridge plugin, which is a program of its own per call, as the specification has it. */
function callCni(stage: Stage, verb: 'ADD' | 'DEL', netns: string): void {
  const env = {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: NAME,
    CNI_NETNS: `/run/netns/${netns}`,
    CNI_IFNAME: 'eth0',
  }
  const dataDir = join(stage.dir, 'cni')
  execFileSync('/usr/lib/cni/bridge', {
    env: { ...process.env, ...env, CNI_PATH: '/usr/lib/cni' },
    input: JSON.stringify({ ...BRIDGE, ipam: { ...BRIDGE.ipam, dataDir } }),
  })
}

function sampleCni(stage: Stage, verb: 'ADD' | 'DEL'): number {
  execFileSync('ip', ['netns', 'add', NAME])
  try {
    const began = performance.now()
    callCni(stage, 'ADD', NAME)
    const attached = performance.now()
    callCni(stage, 'DEL', NAME)
    return verb === 'ADD' ? attached - began : performance.now() - attached
  } finally {
    execFileSync('ip', ['netns', 'delete', NAME])
  }
}

/** What an API offers: a further network for a running container. */
async function sampleConnect(engine: Engine, verb: 'connect' | 'disconnect'): Promise<number> {
  const call = (what: string) => send(engine.socket, 'POST', `/networks/${NAME}/${what}`, { Container: NAME })
  const connected = await timed(() => call('connect'))
  const disconnected = await timed(() => call('disconnect'))
  return verb === 'connect' ? connected : disconnected
}

const overApi = (engines: readonly Engine[], verb: 'connect' | 'disconnect'): Contestant[] =>
  engines.map((engine) => ({ name: engine.name, sample: () => sampleConnect(engine, verb) }))

/** `openSandbox` makes namespaces, so this is the one case that does kernel work in the benchmark's own process. */
const own = (bench: AttachBench, part: 'attach' | 'detach'): Contestant => ({
  name: 'tsnet',
  sample: async () => (await bench.sample(IN_A_ROW))[`${part}_median_ms`],
})

/** Both rows beside the same standing endpoints, which take some seconds to attach. */
async function* ownRows(beside: number, others: (verb: 'ADD' | 'DEL') => Contestant[]): AsyncGenerator<Row> {
  await using bench = await AttachBench.open(beside)
  const where = beside === 0 ? '' : `, beside ${beside} others`
  // a sample beside others waits a second for them
  const rest = { unit: 'ms', ...(beside > 0 && { rounds: 10 }) } as const
  yield {
    title: `attach, driver alone${where}`,
    ...rest,
    contestants: [own(bench, 'attach'), ...others('ADD')],
  }
  yield {
    title: `detach, driver alone${where}`,
    ...rest,
    contestants: [own(bench, 'detach'), ...others('DEL')],
  }
}

export default {
  name: 'attach',
  order: 40,
  title: 'An endpoint on a bridge',
  about:
    'Driver alone: a veth pair into a standing namespace, addresses and routes of both families, in process, median of ' +
    `${IN_A_ROW} in a row; beside it a call of the CNI bridge plugin with host-local, which is a program per call. Then on a ` +
    `network where ${BESIDE} stand already. Over the API: a running container is joined to a further network, which adds the engine’s own work.`,
  async *rows(stage) {
    yield* ownRows(0, (verb) => [{ name: 'CNI bridge', sample: async () => sampleCni(stage, verb) }])
    execFileSync('ip', ['link', 'delete', BRIDGE.bridge])
    yield* ownRows(BESIDE, () => [])

    const engines = await stage.engines('tsnet', 'dockerd', 'podman')
    for (const { socket } of engines) {
      await send(socket, 'POST', '/networks/create', { Name: NAME, Driver: 'bridge' })
      const body = { Image: IMAGE, Cmd: ['sleep', '1000'], HostConfig: { NetworkMode: 'bridge' } }
      await send(socket, 'POST', `/containers/create?name=${NAME}`, body)
      await send(socket, 'POST', `/containers/${NAME}/start`)
    }
    yield { title: 'connect, over the API', unit: 'ms', contestants: overApi(engines, 'connect') }
    yield { title: 'disconnect, over the API', unit: 'ms', contestants: overApi(engines, 'disconnect') }
    for (const { socket } of engines) {
      await send(socket, 'DELETE', `/containers/${NAME}?force=1`)
      await send(socket, 'DELETE', `/networks/${NAME}`)
    }
  },
} satisfies Case
