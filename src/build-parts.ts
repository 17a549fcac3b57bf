/** Makes every part of the daemon from its settings, and what is built on them beside the engine. */
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Config } from './config/config.ts'
import { HostResolver } from './dns/host-resolver.ts'
import { createNameService } from './dns/server.ts'
import { builtinDrivers } from './drivers/builtin.ts'
import { CniDriver } from './drivers/cni/index.ts'
import type { NetworkDriver } from './drivers/driver.ts'
import { createOverlayDriver } from './drivers/overlay/index.ts'
import { ipamPlugins, networkPlugins, volumePlugins } from './drivers/plugin-sources.ts'
import { joinSources, lookUpDriver, sourceOf } from './drivers/registry.ts'
import { fence } from './engine/cluster-fencing.ts'
import { joinAsHost } from './engine/cluster-parts.ts'
import type { ManagedEngine } from './engine/create-engine.ts'
import { countUsers } from './engine/drivers.ts'
import { EgressGrants } from './engine/egress-grants.ts'
import { allowsName, sendersOf } from './engine/egress-policy.ts'
import { Events } from './engine/events.ts'
import { foreignEndpointOf } from './engine/foreign-endpoints.ts'
import { Locks } from './engine/locks.ts'
import { MoveMarks } from './engine/moves/marks.ts'
import type { Parts } from './engine/parts.ts'
import { engineNetworks } from './engine/pods/engine-networks.ts'
import { Pods } from './engine/pods/pods.ts'
import { isShared } from './engine/shared-networks.ts'
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
import { poolsOfHost } from './ipam/subnets.ts'
import type { Logger } from './log.ts'
import { listAllRoutes } from './netlink/route.ts'
import { openRouteSocket } from './netlink/socket.ts'
import type { Plugins } from './plugins/plugins.ts'
import { createPorts } from './ports/ports.ts'
import type { Store } from './store/store.ts'
import type { Supervisor } from './supervisor/client.ts'
import { shortId } from './values/id.ts'
import { createLocalVolumes } from './volumes/local/local.ts'
import type { VolumeDriver } from './volumes/volume.ts'
import { Workers } from './volumes/workers.ts'

const defaultDataRoot = '/var/lib/tsnet'

/** Distinguishes daemons that share a network namespace: '' for the usual data root, else a few digits of another's. */
function instanceOf(dataRoot: string): string {
  return dataRoot === defaultDataRoot ? '' : createHash('sha256').update(dataRoot).digest('hex').slice(0, 6)
}

/** The file's text, '' where there is none. */
export function readText(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

/** One installation keeps one id. */
export function installationId(store: Store): string {
  const id = store.settings.get('id') ?? randomUUID()
  if (!store.settings.has('id')) store.settings.put('id', id)
  return id
}

/** CIDRs that networks must not lie over. */
function usedRoutes(resolver: HostResolver): string[] {
  const servers = resolver.ownServers.map((address) => `${address}/${address.includes(':') ? 128 : 32}`)
  return [...hostRoutes(), ...servers]
}

/** Loads the operator's drivers, and makes the host one of its cluster's, as far as etcd answers. Throws kind 'invalid' for settings that cannot be. */
export async function buildParts(
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
      defaultPools: poolsOfHost(config.addressPools),
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
    directRouting: config.directRouting,
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
    addressPools: poolsOfHost(config.addressPools),
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
export function createGuest(parts: Parts, engine: () => ManagedEngine): Guest {
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
export function createPods(parts: Parts): Pods {
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
