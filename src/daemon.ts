/** Builds every part and joins them: the only file that knows all. */
import { createHash, randomUUID } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { createMetrics } from './api/metrics/metrics.ts'
import { serveMetrics } from './api/metrics/serve.ts'
import { createApiServer } from './api/server.ts'
import { type Config, daemonUsage, loadConfig } from './config.ts'
import { HostResolver } from './dns/host-resolver.ts'
import { createNameService } from './dns/server.ts'
import { builtinDrivers } from './drivers/builtin.ts'
import { CniDriver } from './drivers/cni/index.ts'
import type { NetworkDriver } from './drivers/driver.ts'
import { createOverlayDriver } from './drivers/overlay/index.ts'
import { ipamPlugins, networkPlugins, volumePlugins } from './drivers/plugin-sources.ts'
import { joinSources, lookUpDriver, sourceOf } from './drivers/registry.ts'
import { followCluster } from './engine/cluster.ts'
import { fence } from './engine/cluster-fencing.ts'
import { joinAsHost } from './engine/cluster-parts.ts'
import { createEngine, type ManagedEngine } from './engine/create-engine.ts'
import { discoverHosts, introduceHosts } from './engine/discover-hosts.ts'
import { watchDrift } from './engine/drift.ts'
import { countUsers } from './engine/drivers.ts'
import { EgressGrants } from './engine/egress-grants.ts'
import { allowsName, sendersOf } from './engine/egress-policy.ts'
import { Events } from './engine/events.ts'
import { foreignEndpointOf } from './engine/foreign-endpoints.ts'
import { keepTrash } from './engine/keep-trash.ts'
import { leaveHost } from './engine/leave-host.ts'
import { Locks } from './engine/locks.ts'
import { createMeasures } from './engine/measures.ts'
import { MoveMarks } from './engine/moves/marks.ts'
import type { Parts } from './engine/parts.ts'
import { engineNetworks } from './engine/pods/engine-networks.ts'
import { Pods } from './engine/pods/pods.ts'
import { watchQuotas } from './engine/quota-watch.ts'
import { refreshFiles } from './engine/refresh-files.ts'
import { restore } from './engine/restore.ts'
import { watchRoutes } from './engine/route-watch.ts'
import { isShared } from './engine/shared-networks.ts'
import { errorMessage, TsnetError } from './errors.ts'
import { containDrivers } from './extensions/containment.ts'
import { Extensions } from './extensions/extensions.ts'
import { createFirewall } from './firewall/firewall.ts'
import { createDnsRedirect, findDnsRedirect } from './firewall/redirect.ts'
import { Guest } from './guest/guest.ts'
import { sharedDriver, sharedNetworks } from './guest/shared.ts'
import { usesImage } from './images/image-users.ts'
import { createImages } from './images/images.ts'
import { createDhcpIpam } from './ipam/dhcp/index.ts'
import type { Ipam, PoolIpam } from './ipam/ipam.ts'
import { createLocalIpam } from './ipam/local.ts'
import { nullIpam } from './ipam/null.ts'
import { defaultAddressPools } from './ipam/subnets.ts'
import { createLogger, type Logger } from './log.ts'
import { listAllRoutes } from './netlink/route.ts'
import { openRouteSocket } from './netlink/socket.ts'
import type { Plugin } from './plugins/plugin.ts'
import { Plugins } from './plugins/plugins.ts'
import { createPorts } from './ports/ports.ts'
import { openStore, type Store } from './store/store.ts'
import { Supervisor } from './supervisor/client.ts'
import { resolveCapabilities } from './sys/caps.ts'
import { removeCgroupParent } from './sys/cgroup.ts'
import { requireFeature } from './sys/features.ts'
import { warmThreadPool } from './sys/netns.ts'
import { buildSeccompFilter } from './sys/seccomp-filter.ts'
import { shortId } from './values/id.ts'
import { version } from './version.ts'
import { createLocalVolumes } from './volumes/local/local.ts'
import type { VolumeDriver } from './volumes/volume.ts'
import { Workers } from './volumes/workers.ts'

const defaultDataRoot = '/var/lib/tsnet'

/** Distinguishes daemons that share a network namespace: '' for the usual data root, else a few digits of another's. */
function instanceOf(dataRoot: string): string {
  return dataRoot === defaultDataRoot ? '' : createHash('sha256').update(dataRoot).digest('hex').slice(0, 6)
}

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

/** The file's text, '' where there is none. */
function readText(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

/** One installation keeps one id. */
function installationId(store: Store): string {
  const id = store.settings.get('id') ?? randomUUID()
  if (!store.settings.has('id')) store.settings.put('id', id)
  return id
}

function operatingSystem(): string {
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(readText('/etc/os-release'))?.[1] ?? 'Linux'
}

/** CIDRs that networks must not lie over. */
function usedRoutes(resolver: HostResolver): string[] {
  const servers = resolver.ownServers.map((address) => `${address}/${address.includes(':') ? 128 : 32}`)
  return [...hostRoutes(), ...servers]
}

async function buildParts(
  config: Config,
  log: Logger,
  store: Store,
  supervisor: Supervisor,
  plugins: Plugins,
): Promise<Parts> {
  const { dataRoot, execRoot } = config
  const instance = instanceOf(dataRoot)
  const suffix = instance === '' ? '' : `-${instance}`
  const events = new Events()
  const firewall = createFirewall({ backend: config.firewallBackend, instance, log })
  const resolver = new HostResolver({
    path: '/etc/resolv.conf',
    servers: config.dns,
    search: config.dnsSearch,
    options: config.dnsOptions,
  })
  const ownerName = (id: string): string => describeOwner(store, id)
  const builtinIpams: Ipam[] = [
    nullIpam,
    createDhcpIpam({ log }),
    createLocalIpam({
      ...(config.addressPools.length === 0 ? {} : { defaultPools: config.addressPools }),
      installationId: installationId(store),
      usedRoutes: () => [...usedRoutes(resolver), ...sharedSubnets(store)],
      describeOwner: ownerName,
    }),
  ]
  const cluster = await joinAsHost(config, {
    log,
    store,
    supervisor,
    mark: `tsnet${suffix}`,
    id: installationId(store),
    describeOwner: ownerName,
    onLost: (endpoint, reason) => void fence(parts, endpoint, reason),
  })
  const workers = new Workers(join(dirname(process.argv[1] ?? ''), 'volume-worker.cjs'))
  const builtIn = {
    network: sourceOf<NetworkDriver>([
      ...builtinDrivers(),
      ...(cluster === null ? [] : [createOverlayDriver(cluster.state, cluster.keys)]),
      new CniDriver({ ...config.cni, state: join(dataRoot, 'cni') }, (id) => store.networks.has(id)),
    ]),
    ipam: sourceOf(builtinIpams),
    volume: sourceOf([createLocalVolumes(dataRoot, workers)]),
  }
  const isBuiltInDriver: Parts['isBuiltInDriver'] = (kind, name) => builtIn[kind].find(name) !== undefined
  const extensions = new Extensions({
    ...config.drivers,
    mark: `tsnet${suffix}`,
    log,
    isBuiltIn: isBuiltInDriver,
    isUsed: (kind, name) => countUsers(store, kind, name) > 0,
    describeOwner: ownerName,
  })
  containDrivers(log)
  await extensions.reload()
  const networkDrivers = joinSources<NetworkDriver>(
    builtIn.network,
    extensions.networks,
    networkPlugins(
      plugins,
      (name) => store.networks.values().some(({ driver }) => driver === name),
      (id) => store.networks.has(id),
    ),
  )
  const ipams = joinSources<Ipam>(
    builtIn.ipam,
    extensions.ipams,
    ipamPlugins(plugins, (name) => store.networks.values().some(({ ipamDriver }) => ipamDriver === name)),
  )
  const volumeDrivers = joinSources<VolumeDriver>(
    builtIn.volume,
    extensions.volumes,
    volumePlugins(plugins, (name) => store.volumes.values().some(({ driver }) => driver === name)),
  )
  const parts: Parts = {
    dataRoot,
    execRoot,
    log,
    store,
    events,
    locks: new Locks(),
    supervisor,
    firewall,
    ports: createPorts({ log, proxy: config.userlandProxy }),
    names: createNameService({
      log,
      redirect: createDnsRedirect(firewall.backend),
      redirected: (netns) => findDnsRedirect(firewall.backend, netns),
      upstreams: () => resolver.servers,
    }),
    resolver,
    hostGatewayIps: config.hostGatewayIps,
    cluster,
    moves: new MoveMarks(),
    foreignOwners: [],
    addressPools: config.addressPools.length === 0 ? defaultAddressPools : config.addressPools,
    usedRoutes: () => usedRoutes(resolver),
    images: createImages({
      store,
      dataRoot,
      log,
      events: (action, image) => events.emit('image', action, image.id, { name: image.tags[0] ?? image.id }),
      usersOf: (id) => [...store.containers.values()].filter((container) => usesImage(container, id)),
    }),
    networkDriver: (name) => lookUpDriver('network', networkDrivers, name),
    networkDrivers: () => networkDrivers.list(),
    plugins,
    extensions,
    isBuiltInDriver,
    ipam: (name) => lookUpDriver('ipam', ipams, name),
    ipams: () => ipams.list(),
    volumeDriver: (name) => lookUpDriver('volume', volumeDrivers, name),
    volumeDrivers: () => volumeDrivers.list(),
    trashLimits: config.trash,
    workers,
    egress: new EgressGrants({
      firewall,
      log,
      allowsName,
      sendersOf: (container) => sendersOf(parts, container),
    }),
    networkRules: new Map(),
    mark: `tsnet${suffix}`,
    networkDefaults: config.networkDefaults,
    defaultBridge: config.network.bridge || (instance === '' ? 'tsnet0' : `tsnet${suffix}`),
    hostFile: readText,
  }
  return parts
}

/** What tsnet offers as a plugin; the drivers are objects of their own, which know nothing of the daemon's networks. */
function createGuest(parts: Parts, engine: () => ManagedEngine): Guest {
  const offered = ['bridge', 'macvlan', 'ipvlan']
  return new Guest({
    ...parts,
    mark: `${parts.mark}-plugin`,
    drivers: [...builtinDrivers().filter(({ name }) => offered.includes(name)), ...sharedDriver(parts)],
    shared: sharedNetworks(parts),
    ipam: parts.ipam('default') as PoolIpam,
    rules: parts.networkRules,
    volumes: () => engine().volumes,
  })
}

/** Milliseconds for which a network of pods stays without one: the next may be on its way. */
const podNetworkLinger = 10_000

/** Sandboxes of other runtimes. Drivers are objects of their own, as for the plugin. */
function createPods(parts: Parts): Pods {
  const own = ['bridge', 'macvlan', 'ipvlan']
  return new Pods({
    ...parts,
    mark: `${parts.mark}-cni`,
    drivers: builtinDrivers().filter(({ name }) => own.includes(name)),
    ipam: parts.ipam('default') as PoolIpam,
    rules: parts.networkRules,
    linger: podNetworkLinger,
    engine: engineNetworks(parts),
  })
}

/** The name of whoever holds an address. */
function describeOwner(store: Store, id: string): string {
  const network = store.networks.get(id)
  if (network !== undefined) return `network ${network.name}`
  const holder = store.containers
    .values()
    .find((container) => container.endpoints.some((endpoint) => endpoint.id === id))
  if (holder !== undefined) return `container ${holder.name}`
  const foreign = foreignEndpointOf(store, id)
  return foreign === undefined ? id : `container ${shortId(foreign.container)} of another runtime`
}

/** Subnets of the cluster's networks, which lead nowhere here before there is an endpoint. */
function sharedSubnets(store: Store): string[] {
  const shared = [...store.networks.values()].filter(isShared)
  return shared.flatMap(({ pools }) => pools.map(({ subnet }) => subnet))
}

function hostRoutes(): string[] {
  using socket = openRouteSocket()
  return listAllRoutes(socket).map((route) => route.destination)
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
  if (config.dnsHostListen !== '') await parts.names.serveHost(config.dnsHostListen)
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
