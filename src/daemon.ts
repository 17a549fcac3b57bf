/** Starts what the daemon is made of in order, and ends it. */
import { closeSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { createMetrics } from './api/metrics/metrics.ts'
import { serveMetrics } from './api/metrics/serve.ts'
import { createApiServer } from './api/server.ts'
import { buildParts, createGuest, createPods, installationId, readText } from './build-parts.ts'
import type { Config } from './config/config.ts'
import { daemonUsage } from './config/flags.ts'
import { loadConfig } from './config/load.ts'
import { followCluster } from './engine/cluster.ts'
import { createEngine, type ManagedEngine } from './engine/create-engine.ts'
import { discoverHosts, introduceHosts } from './engine/discover-hosts.ts'
import { watchDrift } from './engine/drift.ts'
import { keepTrash } from './engine/keep-trash.ts'
import { leaveHost } from './engine/leave-host.ts'
import { createMeasures } from './engine/measures.ts'
import type { Parts } from './engine/parts.ts'
import { watchQuotas } from './engine/quota-watch.ts'
import { refreshFiles } from './engine/refresh-files.ts'
import { restore } from './engine/restore.ts'
import { watchRoutes } from './engine/route-watch.ts'
import { errorMessage, TsnetError } from './errors.ts'
import type { Guest } from './guest/guest.ts'
import { createLogger } from './log.ts'
import type { Plugin } from './plugins/plugin.ts'
import { Plugins } from './plugins/plugins.ts'
import { openStore } from './store/store.ts'
import { Supervisor } from './supervisor/client.ts'
import { resolveCapabilities } from './sys/caps.ts'
import { removeCgroupParent } from './sys/cgroup.ts'
import { requireFeature } from './sys/features.ts'
import { warmThreadPool } from './sys/netns.ts'
import { buildSeccompFilter } from './sys/seccomp-filter.ts'
import { version } from './version.ts'

function refuseUnprivileged(): void {
  if (process.getuid?.() === 0) return
  throw new TsnetError('forbidden', 'not-root', 'the daemon must run as root: start it with sudo')
}

/** What no container can do without; the refusal names the kernel feature. */
const essentials = [
  'overlayfs',
  'mount-namespace',
  'uts-namespace',
  'ipc-namespace',
  'pid-namespace',
  'network-namespace',
  'cgroup-namespace',
  'bridge',
  'veth',
] as const

/** OVERLAYFS_SUPER_MAGIC of <linux/magic.h> */
const overlayfsMagic = 0x794c7630

function refuseOverlayfs(dataRoot: string): void {
  if (statfsSync(dataRoot).type !== overlayfsMagic) return
  throw new TsnetError(
    'unsupported',
    'data-root-overlayfs',
    `data root ${dataRoot} is on overlayfs, which cannot hold the writable layer of another: give a --data-root on ext4, xfs, btrfs or tmpfs`,
  )
}

function operatingSystem(): string {
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(readText('/etc/os-release'))?.[1] ?? 'Linux'
}

async function listen(server: ReturnType<typeof createApiServer>, config: Config): Promise<void> {
  for (const host of config.hosts) {
    if (host.startsWith('unix://'))
      await server.listen({ unix: host.slice('unix://'.length), mode: 0o660, ...socketGroup() })
    else {
      const { hostname: address, port } = new URL(host)
      await server.listen({
        host: address.replace(/^\[|\]$/g, ''),
        port: Number(port || 2376),
        tls: readTls(config),
      })
    }
  }
}

function socketGroup(): { gid?: number } {
  const id = /^tsnet:[^:]*:(\d+):/m.exec(readText('/etc/group'))?.[1]
  return id === undefined ? {} : { gid: Number(id) }
}

function readTls(config: Config): { ca: Buffer; cert: Buffer; key: Buffer } {
  const tls = config.tls ?? { ca: '', cert: '', key: '' }
  return { ca: readFileSync(tls.ca), cert: readFileSync(tls.cert), key: readFileSync(tls.key) }
}

/** Whoever started the daemon may wait for one line on the descriptor that TSNET_READY_FD names. */
function announceReady(): void {
  const fd = Number(process.env['TSNET_READY_FD'] ?? 0)
  if (fd <= 2) return
  writeSync(fd, 'ready\n')
  closeSync(fd)
}

async function main(argv: readonly string[]): Promise<void> {
  const config = loadConfig(argv)
  if (config === null) {
    process.stdout.write(daemonUsage)
    return
  }
  refuseUnprivileged()
  // The space for young objects stays small: one that has grown is collected in pauses of 10 ms, which containers’ questions for names would notice.
  setFlagsFromString('--semi-space-growth-factor=1')
  // What waits longer, as questions for the world do, leaves its garbage among the old objects. Of that twice as much as is in use may gather, not
  // the usual half: it is collected in pauses of 5 ms and more.
  setFlagsFromString('--heap-growing-percent=200')
  // So small a space gains nothing from several threads, and on a busy machine the main one waits until they get a processor.
  setFlagsFromString('--no-parallel-scavenge')
  await warmThreadPool()
  for (const feature of essentials) requireFeature(feature)
  const log = createLogger(config.logLevel)
  mkdirSync(config.execRoot, { recursive: true, mode: 0o711 })
  mkdirSync(config.dataRoot, { recursive: true, mode: 0o710 })
  refuseOverlayfs(config.dataRoot)
  // A wrong address is refused before anything is made.
  const metrics = config.metrics === null ? null : await serveMetrics(config.metrics, log)
  const store = openStore(join(config.dataRoot, 'state.db'))
  let engine: ManagedEngine | null = null
  const supervisor = await Supervisor.connect({
    execRoot: config.execRoot,
    program: join(dirname(process.argv[1] ?? ''), 'supervisor.mjs'),
    initPool: config.initPool,
    log,
    onExit: (exit) => engine?.onExit(exit),
    // One that dies at once is replaced again, and asked again.
    onReplaced: () => {
      if (engine === null) return
      parts.cluster?.handover.tellAll()
      engine
        .reconcile()
        .catch((error: unknown) => log.warn({ err: error }, 'containers could not be compared'))
    },
  })
  let guest: Guest | null = null
  const isOwn = (file: string): boolean => guest?.listensAt(file) ?? false
  // What it has is in the first list after that.
  const onKnown = ({ name }: Plugin): void => {
    parts
      .volumeDrivers()
      .find((driver) => driver.name === name)
      ?.present?.()
    introduceHosts(parts, name)
  }
  const plugins = new Plugins({ directories: config.pluginDirectories, isOwn, onKnown, log })
  const parts = await buildParts(config, log, store, supervisor, plugins)
  guest = createGuest(parts, () => engine!)
  // Its rules are among those that are applied as a whole.
  await guest.restore()
  const pods = createPods(parts)
  await pods.restore()
  parts.foreignOwners.push(guest, pods)
  const { promise: restored, resolve: begin } = Promise.withResolvers<void>()
  const hosts = parts.cluster === null ? null : followCluster(parts, config.advertise, restored)
  await restore(parts, config.network)
  begin()
  // Before anybody is told that the daemon is ready: one that cannot have the address ends.
  if (config.dnsHostListen !== '') await parts.names.serveHost(config.dnsHostListen)
  engine = createEngine(parts, {
    name: hostname(),
    id: installationId(store),
    operatingSystem: operatingSystem(),
    seccomp: true,
  })
  watchRoutes(parts)
  discoverHosts(parts)
  const drift = watchDrift(parts)
  const trash = keepTrash(parts)
  const quotas = watchQuotas(parts)
  // Endings between the restore and now have not been heard.
  await engine.reconcile()
  // The default filter takes the compiler some 15 ms: not in the first container's time.
  buildSeccompFilter('default', resolveCapabilities({ add: [], drop: [] }))
  await pods.resume()
  const server = createApiServer({ engine, guest, pods, log, version })
  metrics?.offer(await createMetrics({ engine, measures: createMeasures(parts), version }))
  await listen(server, config)
  await guest.resume()
  hosts?.complete()
  if (config.pidfile !== '') writeFileSync(config.pidfile, String(process.pid))
  const facts = {
    hosts: config.hosts,
    firewall: parts.firewall.backend,
    ...(metrics && { metrics: metrics.url }),
  }
  log.info(facts, 'the daemon is ready')

  const stop = async (): Promise<void> => {
    plugins.close()
    await guest.close()
    await pods.close()
    await server.close()
    await metrics?.[Symbol.asyncDispose]()
    await supervisor.close(true)
    drift[Symbol.dispose]()
    trash[Symbol.dispose]()
    quotas[Symbol.dispose]()
    await leaveHost(parts)
    await hosts?.leave()
    parts.workers.close()
    // Nothing is left in it unless containers go on.
    removeCgroupParent(parts.mark)
    parts.firewall.close()
    parts.resolver.close()
    store.close()
    if (config.pidfile !== '') rmSync(config.pidfile, { force: true })
    process.exit(0)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop())
  process.on('SIGHUP', () => void engine?.drivers.reload())
  followResolver(parts)
  plugins.started()
  announceReady()
}

/** What the host's servers know may have changed with them; running containers have copies of the file. */
function followResolver(parts: Parts): void {
  parts.resolver.follow(() => {
    parts.names.forgetAnswers()
    refreshFiles(parts)
  })
  // it may have changed while no daemon ran
  refreshFiles(parts)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`tsnet daemon: ${errorMessage(error)}\n`)
  process.exit(1)
}
