/** What Prometheus reads of a live daemon. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { DockerPlugin, directoryVolumes, pluginDirectory } from '../helpers/docker-plugin.ts'
import { eventually } from '../helpers/eventually.ts'

const address = '127.0.0.1:9323'
const root = mkdtempSync(join(tmpdir(), 'tsnet-metrics-'))
const [drivers, configurations, programs, data] = ['drivers', 'net.d', 'bin', 'data'].map((name) => {
  mkdirSync(join(root, name))
  return join(root, name)
}) as [string, string, string, string]
const plugins = pluginDirectory()
const mine = join(drivers, 'mine.ts')
writeFileSync(
  mine,
  `import { DriverError, defineDriver } from 'tsnet/driver'
   export default defineDriver({ apiVersion: 1, volume: {
     create({ name }) { if (name === 'no') throw new DriverError('conflict', 'not that'); return ${JSON.stringify(data)} },
     remove() {},
   } })`,
)
for (const program of ['ptp', 'host-local']) symlinkSync(`/usr/lib/cni/${program}`, join(programs, program))
writeFileSync(
  join(configurations, 'p.conflist'),
  JSON.stringify({
    cniVersion: '1.0.0',
    name: 'p',
    plugins: [
      {
        type: 'ptp',
        ipam: { type: 'host-local', dataDir: join(root, 'leases'), ranges: [[{ subnet: '10.60.0.0/24' }]] },
      },
    ],
  }),
)

const flags = [
  ...['--metrics-addr', address, '--plugin-dir', plugins, '--driver-dir', drivers],
  ...['--cni-conf-dir', configurations, '--cni-bin-dir', programs],
]
const daemon = await TestDaemon.start(flags)
const { docker, wait, inside, remove } = new TestClient(daemon)
let plugin: DockerPlugin

beforeAll(async () => {
  plugin = await DockerPlugin.start(plugins, 'shelf', directoryVolumes(data))
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterAll(async () => {
  await daemon.stop()
  await plugin.stop()
  for (const directory of [root, plugins]) rmSync(directory, { recursive: true, force: true })
})

/** Series by what they are called, labels included. */
async function scrape(): Promise<Map<string, number>> {
  const ask = `const answer = await fetch('http://${address}/metrics'); process.stdout.write(await answer.text())`
  const { stdout, stderr } = await daemon.exec(process.execPath, '--input-type=module', '-e', ask)
  expect(stderr).toBe('')
  const series = stdout.matchAll(/^([a-z]\S*?(?:\{.*\})?) (\S+)$/gm)
  return new Map([...series].map(([, name = '', value]) => [name, Number(value)]))
}

const up = (driver: string, kind: string, origin: string): string =>
  `tsnet_driver_up{driver="${driver}",kind="${kind}",origin="${origin}"}`

test('containers, endpoints, ports and questions for names are told as they are', async () => {
  await docker('network', 'create', 'net')
  await wait('one', '--network', 'net', '-p', '8080-8082:80-82', '-p', '127.0.0.1:5300:53/udp')
  await inside('one', 'nslookup one')
  const during = await scrape()
  const states = (series: Map<string, number>): unknown[] =>
    ['running', 'stopped'].map((state) =>
      series.get(`engine_daemon_container_states_containers{state="${state}"}`),
    )
  expect(states(during)).toEqual([1, 0])
  expect(during.get('tsnet_networks{driver="bridge"}')).toBe(2)
  expect(during.get('tsnet_endpoints{driver="bridge"}')).toBe(1)
  expect(during.get('tsnet_published_ports{protocol="udp"}')).toBe(1)
  expect(during.get('tsnet_published_ports{protocol="tcp"}')! % 3).toBe(0)
  expect(during.get('tsnet_published_ports{protocol="tcp"}')).toBeGreaterThanOrEqual(3)
  expect(during.get('engine_daemon_container_actions_seconds_count{action="start"}')).toBe(1)
  const own = 'tsnet_dns_questions_total{outcome="own"}'
  expect(during.get(own)).toBeGreaterThan(0)
  expect(during.get('process_start_time_seconds')).toBeGreaterThan(0)
  await remove('one')
  const after = await scrape()
  expect(states(after)).toEqual([0, 0])
  expect(after.get('tsnet_published_ports{protocol="tcp"}')).toBe(0)
  // The container's sandbox, which counted them, is gone.
  expect(after.get(own)).toBe(during.get(own))
  expect(after.get('engine_daemon_container_actions_seconds_count{action="delete"}')).toBe(1)
  expect(after.get('engine_daemon_events_total')).toBeGreaterThan(during.get('engine_daemon_events_total')!)
})

test('what others have done to a network and was put right is counted', async () => {
  const id = (
    await docker('network', 'create', '--opt', 'com.docker.network.bridge.name=br-metrics', 'torn')
  ).slice(0, 12)
  expect(id).not.toBe('')
  await wait('on-torn', '--network', 'torn')
  const repairs = 'tsnet_repairs_total{what="bridge"}'
  const before = (await scrape()).get(repairs) ?? 0
  daemon.inNetns('ip', ['link', 'set', 'br-metrics', 'down'])
  await eventually(async () => expect((await scrape()).get(repairs)).toBe(before + 1))
  await remove('on-torn')
})

test('a plugin is up while it answers, although nobody calls it, and down when it has died', async () => {
  const name = up('shelf', 'volume', 'plugin')
  await docker('volume', 'create', '-d', 'shelf', 'vol')
  const alive = await scrape()
  expect(alive.get(name)).toBe(1)
  const ended = (result: string): string =>
    `tsnet_driver_call_seconds_count{driver="shelf",kind="volume",origin="plugin",result="${result}"}`
  expect(alive.get(ended('ok'))).toBeGreaterThan(0)
  await expect(docker('volume', 'create', '-d', 'shelf', '-o', 'colour=red', 'red')).rejects.toThrow(
    'unknown option',
  )
  expect((await scrape()).get(ended('refused'))).toBeGreaterThan(alive.get(ended('refused')) ?? 0)
  // The file of the socket stays, as after SIGKILL: nobody is told.
  await plugin.stop()
  const dead = `require('node:net').createServer().listen(${JSON.stringify(plugin.socket)}, () => process.kill(process.pid, 9))`
  expect(() => execFileSync(process.execPath, ['-e', dead])).toThrow()
  expect((await scrape()).get(name)).toBe(0)
  expect((await scrape()).get('tsnet_volumes{driver="shelf"}')).toBe(1)
  await plugin.listen()
  await eventually(async () => expect((await scrape()).get(name)).toBe(1))
  await docker('volume', 'rm', 'vol')
})

test('a plugin that hangs is down, and the scrape does not wait for it', async () => {
  const { methods } = plugin
  plugin.methods = { ...methods, 'Plugin.Activate': () => new Promise(() => {}) }
  const started = performance.now()
  expect((await scrape()).get(up('shelf', 'volume', 'plugin'))).toBe(0)
  expect(performance.now() - started).toBeLessThan(20_000)
  // What it is asked for by others it still does.
  await docker('volume', 'create', '-d', 'shelf', 'still')
  plugin.methods = methods
  await docker('volume', 'rm', 'still')
  expect((await scrape()).get(up('shelf', 'volume', 'plugin'))).toBe(1)
})

test('a TypeScript driver is up, refuses, and is outdated when its file breaks', async () => {
  await docker('volume', 'create', '-d', 'mine', 'yes')
  await expect(docker('volume', 'create', '-d', 'mine', 'no')).rejects.toThrow('not that')
  const before = await scrape()
  const labels = 'driver="mine",kind="volume",origin="file"'
  expect(before.get(`tsnet_driver_up{${labels}}`)).toBe(1)
  expect(before.get(`tsnet_driver_outdated{${labels}}`)).toBe(0)
  const ended = (result: string): string => `tsnet_driver_call_seconds_count{${labels},result="${result}"}`
  expect(before.get(ended('ok'))).toBeGreaterThan(0)
  expect(before.get(ended('refused'))).toBe(1)
  writeFileSync(mine, 'this is no program')
  await daemon.tsnet('driver', 'reload')
  const after = await scrape()
  expect(after.get(`tsnet_driver_up{${labels}}`)).toBe(1)
  expect(after.get(`tsnet_driver_outdated{${labels}}`)).toBe(1)
})

test('a CNI plugin that a network needs is up while its program is there', async () => {
  await docker('network', 'create', '-d', 'cni', '-o', 'conflist=p', 'p')
  await docker('run', '--rm', '--network', 'p', 'box', 'true')
  const before = await scrape()
  for (const program of ['ptp', 'host-local']) expect(before.get(up(program, 'network', 'cni'))).toBe(1)
  const calls = 'tsnet_driver_call_seconds_count{driver="ptp",kind="network",origin="cni",result="ok"}'
  expect(before.get(calls)).toBeGreaterThanOrEqual(2)
  rmSync(join(programs, 'ptp'))
  const after = await scrape()
  expect(after.get(up('ptp', 'network', 'cni'))).toBe(0)
  expect(after.get(up('host-local', 'network', 'cni'))).toBe(1)
})

test('a daemon does not start whose address for metrics is taken, and says so', async () => {
  const { code, stderr } = await daemon.exec(
    process.execPath,
    new URL('../../dist/daemon.mjs', import.meta.url).pathname,
    ...['--data-root', join(root, 'other'), '--exec-root', join(root, 'exec'), '--init-pool=0'],
    ...['--bip=10.61.0.1/24', '--metrics-addr', address],
  )
  expect(code).toBe(1)
  expect(stderr).toContain(`--metrics-addr ${address} is in use: another program listens there`)
})
