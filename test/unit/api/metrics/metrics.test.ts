import { pino } from 'pino'
import { afterEach, expect, test } from 'vitest'
import { createMetrics, type Metrics } from '../../../../src/api/metrics/metrics.ts'
import { serveMetrics } from '../../../../src/api/metrics/serve.ts'
import type { ClusterStatus } from '../../../../src/engine/engine.ts'
import { timeAction, timeDriver, timeNetworkAction } from '../../../../src/timings.ts'
import { createMemoryEngine, type MemoryEngine } from '../memory-engine.ts'

const log = pino({ level: 'silent' })
const names = { queries: 10, own: 4, cached: 3, forwarded: 2, failed: 1 }
const none = new DisposableStack()
let stack = none
afterEach(() => stack.dispose())

async function metricsOf(engine: MemoryEngine): Promise<Metrics> {
  const measures = {
    names: () => names,
    probePlugins: async () => {},
    cniPlugins: async () => new Map([['bridge', false]]),
  }
  stack = new DisposableStack()
  return stack.use(await createMetrics({ engine, measures, version: '1.2.3' }))
}

/** The lines of one metric. */
async function read(metrics: Metrics, name: string): Promise<string[]> {
  const lines = (await metrics.text()).split('\n')
  return lines.filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
}

test('what is counted is counted from the beginning, and what is read is read at each question', async () => {
  const engine = createMemoryEngine()
  const metrics = await metricsOf(engine)
  expect(await read(metrics, 'engine_daemon_events_total')).toEqual(['engine_daemon_events_total 0'])
  engine.emit({ type: 'network', action: 'repair', id: 'n', attributes: { type: 'bridge' } })
  engine.emit({ type: 'daemon', action: 'repair', id: 'd', attributes: {} })
  await timeAction('start', async () => {})
  await timeNetworkAction('connect', async () => {})
  const before = engine.containers.list().length
  expect(await read(metrics, 'engine_daemon_events_total')).toEqual(['engine_daemon_events_total 2'])
  expect(await read(metrics, 'tsnet_repairs_total')).toEqual([
    'tsnet_repairs_total{what="firewall"} 1',
    'tsnet_repairs_total{what="bridge"} 1',
  ])
  expect(await read(metrics, 'engine_daemon_container_actions_seconds_count')).toEqual([
    'engine_daemon_container_actions_seconds_count{action="create"} 0',
    'engine_daemon_container_actions_seconds_count{action="delete"} 0',
    'engine_daemon_container_actions_seconds_count{action="start"} 1',
  ])
  expect(await read(metrics, 'engine_daemon_network_actions_seconds_count')).toEqual([
    'engine_daemon_network_actions_seconds_count{action="connect"} 1',
  ])
  expect(await read(metrics, 'engine_daemon_container_states_containers')).toContain(
    `engine_daemon_container_states_containers{state="stopped"} ${before}`,
  )
})

test('outcomes of questions for names add up to the questions', async () => {
  const metrics = await metricsOf(createMemoryEngine())
  for (let scrape = 0; scrape < 2; scrape++)
    expect(await read(metrics, 'tsnet_dns_questions_total')).toEqual([
      'tsnet_dns_questions_total{outcome="own"} 4',
      'tsnet_dns_questions_total{outcome="cached"} 3',
      'tsnet_dns_questions_total{outcome="forwarded"} 2',
      'tsnet_dns_questions_total{outcome="unasked"} 1',
    ])
})

test('limits of volumes are summed by driver in the same scrape that reads them', async () => {
  const engine = createMemoryEngine()
  for (const name of ['a', 'b', 'c'])
    await engine.volumes.create({ name, driver: 'local', options: {}, labels: {} })
  const usages = new Map([
    ['a', { used: 10, limit: 100 }],
    ['b', { used: 30, limit: 40 }],
  ])
  const volumes = { ...engine.volumes, quota: async (name: string) => usages.get(name) ?? null }
  const metrics = await metricsOf({ ...engine, volumes })
  const all = await metrics.text()
  expect(all.match(/^tsnet_volumes\S* .*/gm)?.sort()).toEqual([
    'tsnet_volumes_fullest_ratio{driver="local"} 0.75',
    'tsnet_volumes_limit_bytes{driver="local"} 140',
    'tsnet_volumes_limited{driver="local"} 2',
    'tsnet_volumes_used_bytes{driver="local"} 40',
    'tsnet_volumes{driver="local"} 3',
  ])
})

test('health of drivers and the ends of their calls have the same labels', async () => {
  const engine = createMemoryEngine()
  const base = { capabilities: {}, path: '', description: '', error: '', loadedAt: '', users: 0 }
  const drivers = {
    ...engine.drivers,
    list: () => [
      { ...base, name: 'dead', kind: 'volume', origin: 'plugin', status: 'unreachable' } as const,
      { ...base, name: 'mine', kind: 'ipam', origin: 'file', status: 'outdated' } as const,
      { ...base, name: 'torn', kind: '', origin: 'file', status: 'broken' } as const,
    ],
  }
  const metrics = await metricsOf({ ...engine, drivers })
  await timeDriver({ driver: 'mine', kind: 'ipam', origin: 'file' }, async () => {})
  expect(await read(metrics, 'tsnet_driver_up')).toEqual([
    'tsnet_driver_up{driver="dead",kind="volume",origin="plugin"} 0',
    'tsnet_driver_up{driver="mine",kind="ipam",origin="file"} 1',
    'tsnet_driver_up{driver="torn",kind="",origin="file"} 0',
    'tsnet_driver_up{driver="bridge",kind="network",origin="cni"} 0',
  ])
  expect(await read(metrics, 'tsnet_driver_outdated')).toEqual([
    'tsnet_driver_outdated{driver="mine",kind="ipam",origin="file"} 1',
    'tsnet_driver_outdated{driver="torn",kind="",origin="file"} 0',
  ])
  expect(await read(metrics, 'tsnet_driver_call_seconds_count')).toEqual([
    'tsnet_driver_call_seconds_count{driver="mine",kind="ipam",origin="file",result="ok"} 1',
  ])
})

test('there is a cluster in the metrics of its hosts alone', async () => {
  const engine = createMemoryEngine()
  expect(
    await (await metricsOf({ ...engine, hosts: { ...engine.hosts, status: () => null } })).text(),
  ).not.toContain('tsnet_cluster')
  stack.dispose()
  const status: ClusterStatus = {
    ...{ name: 'h1', address: '10.0.0.1', mtu: 1500, hosts: 3, warnings: [] },
    ...{ state: 'away', since: '2026-01-01T00:00:00Z', error: 'no answer' },
  }
  const metrics = await metricsOf({ ...engine, hosts: { ...engine.hosts, status: () => status } })
  expect(await read(metrics, 'tsnet_cluster_state')).toEqual([
    'tsnet_cluster_state{state="connected"} 0',
    'tsnet_cluster_state{state="away"} 1',
    'tsnet_cluster_state{state="fenced"} 0',
  ])
  expect(await read(metrics, 'tsnet_cluster_hosts')).toEqual(['tsnet_cluster_hosts 3'])
})

test('metrics are served at /metrics, elsewhere is nothing, and an address serves one program', async () => {
  const metrics = await metricsOf(createMemoryEngine())
  await using server = await serveMetrics({ host: '127.0.0.1', port: 0 }, log)
  expect((await fetch(server.url)).status).toBe(503)
  server.offer(metrics)
  const answer = await fetch(server.url)
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(await answer.text()).toContain('engine_daemon_engine_info{')
  expect((await fetch(new URL('/', server.url))).status).toBe(404)
  const { port } = new URL(server.url)
  const again = serveMetrics({ host: '127.0.0.1', port: Number(port) }, log)
  await expect(again).rejects.toMatchObject({ kind: 'conflict', code: 'metrics-address' })
  const elsewhere = serveMetrics({ host: '192.0.2.1', port: 0 }, log)
  await expect(elsewhere).rejects.toThrow('192.0.2.1:0 cannot be listened at (EADDRNOTAVAIL)')
})
