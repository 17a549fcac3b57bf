/**
 * Networks that span the hosts of a cluster. On each host that has endpoints on one, its bridge is as that of a bridge network, with the
 * same gateway at the same hardware address everywhere; one port more of it leads to the other hosts.
 */
import type { Cluster } from '../../cluster/cluster.ts'
import { errorMessage } from '../../errors.ts'
import { findLink, getLink, type Link } from '../../netlink/link.ts'
import { openRouteSocket, type RouteSocket } from '../../netlink/socket.ts'
import { Announcer } from '../../sandbox/announcer.ts'
import type { NetworkRecord } from '../../store/records.ts'
import type { NetworkId } from '../../values/id.ts'
import { bridgeName } from '../../values/interface-name.ts'
import { attachEndpoint, reconfigureEndpoint } from '../bridging/attach.ts'
import { type BridgeSpec, ensureBridge, ownBridges, sweepLinks } from '../bridging/links.ts'
import { fitMtu } from '../bridging/mtu.ts'
import { gatewayOf } from '../bridging/options.ts'
import { removePort } from '../bridging/ports.ts'
import { repairBridge } from '../bridging/repair.ts'
import { RetiredBridges } from '../bridging/retired.ts'
import { bridgeRules } from '../bridging/rules.ts'
import type { DriverContext, NetworkDriver, StandingEndpoint } from '../driver.ts'
import { parseRates, rateOptions } from '../endpoint-rates.ts'
import { badOption, refuseEndpointOptions } from '../network-options.ts'
import { describeReport } from './audit.ts'
import { ensureVxlan, removeVxlan, type VxlanSpec, vxlanFaults } from './links.ts'
import { type OverlayOptions, parseOverlayOptions, vniOption } from './options.ts'
import { Peers } from './peers.ts'
import { Turns } from './turns.ts'
import { plainUnderlay } from './underlay.ts'
import { OverlayWatch } from './watch.ts'

export type { OverlayOptions }

/** What a host has of an overlay network. */
export interface OverlayStatus {
  readonly vni: number
  /** bytes */
  readonly mtu: number
  /** Endpoints of other hosts. */
  readonly peers: number
  /** Entries that were put right since the daemon started. */
  readonly repaired: number
}

export interface OverlayDriver extends NetworkDriver<OverlayOptions> {
  /** Null for a network that this host does not use. */
  statusOf(network: NetworkRecord): OverlayStatus | null
}

/** Works in the network namespace that the daemon runs in. */
export function createOverlayDriver(cluster: Cluster): OverlayDriver {
  const retired = new RetiredBridges()
  const announcer = new Announcer()
  const underlay = plainUnderlay(cluster)
  const networks = new Map<NetworkId, Peers>()
  const turns = new Turns()
  let watch: OverlayWatch | null = null
  let knowsNodes = false
  cluster.nodes.ready().then(
    () => {
      knowsNodes = true
    },
    () => {},
  )
  let suspect: (network: NetworkId) => void = () => {}

  const peersOf = ({ log }: DriverContext, network: NetworkRecord): Peers => {
    const present = networks.get(network.id)
    if (present !== undefined) return present
    const peers = new Peers({
      cluster,
      network,
      log,
      underlay,
      watch: () => watch?.entries ?? null,
      suspect: () => suspect(network.id),
    })
    networks.set(network.id, peers)
    return peers
  }

  const bridgeOf = (socket: RouteSocket, context: DriverContext, network: NetworkRecord): BridgeSpec => {
    const options = parseOverlayOptions(network)
    const name = bridgeName(network.id)
    // Before all hosts are known, what an earlier daemon knew of them stands in the bridge.
    const known = knowsNodes ? Number.POSITIVE_INFINITY : (findLink(socket, name)?.mtu ?? 65_535)
    const mtu = fitMtu(network, options.mtu, () => Math.min(underlay.mtu(), known))
    return { mark: markOf(context), network, options, name, mtu, toldNeighbours: true }
  }

  const vxlanOf = (context: DriverContext, network: NetworkRecord, master: Link): VxlanSpec => {
    const { vni, interContainer } = parseOverlayOptions(network)
    if (vni === 0) throw noVni(network)
    const local = underlay.local()
    return { mark: markOf(context), network, vni, local, master, isolated: !interContainer }
  }

  /** The bridge with its port to the other hosts. */
  const ensureLinks = async (
    socket: RouteSocket,
    context: DriverContext,
    network: NetworkRecord,
  ): Promise<Link> => {
    const bridge = ensureBridge(socket, bridgeOf(socket, context, network))
    const { index, fresh } = await ensureVxlan(socket, vxlanOf(context, network, bridge))
    peersOf(context, network).bind({ port: index, bridge: bridge.index }, fresh)
    return bridge
  }

  /** Nothing of a network that this host does not use any more. */
  const repairLinks = async (
    context: DriverContext,
    network: NetworkRecord,
    endpoints: readonly StandingEndpoint[],
  ): Promise<string[]> => {
    if (!networks.has(network.id)) return []
    using socket = openRouteSocket()
    const spec = bridgeOf(socket, context, network)
    const faults = repairBridge(socket, spec, endpoints)
    const vxlan = vxlanOf(context, network, getLink(socket, spec.name))
    faults.push(...vxlanFaults(socket, vxlan))
    await ensureLinks(socket, context, network)
    return faults
  }

  return {
    name: 'overlay',
    capabilities: { scope: 'global', addresses: 'ipam', gateway: 'always', ports: 'engine' },
    parseOptions: parseOverlayOptions,
    checkEndpoint(network, { options }) {
      refuseEndpointOptions('overlay', network, options, Object.values(rateOptions))
      parseRates(options)
    },
    gatewayFor: gatewayOf,

    async createNetwork(context, network) {
      context.signal.throwIfAborted()
      using socket = openRouteSocket()
      retired.defer()
      const { name } = await turns.run(network.id, () => ensureLinks(socket, context, network))
      // While etcd is away the network is used as far as it is known.
      const settled = peersOf(context, network)
        .settle()
        .catch((error: unknown) => {
          const message = 'endpoints of other hosts are not known yet'
          context.log.warn({ network: network.name, err: errorMessage(error) }, message)
        })
      if (cluster.health().state === 'connected') await settled
      // The way out may take less than the ways between the hosts do.
      return bridgeRules(network, parseOverlayOptions(network), { name, clampMss: true })
    },

    async removeNetwork(context, network) {
      networks.get(network.id)?.[Symbol.dispose]()
      networks.delete(network.id)
      using socket = openRouteSocket()
      const mark = markOf(context)
      await turns.run(network.id, async () => {
        await removeVxlan(socket, mark, network)
        for (const link of ownBridges(socket, { mark, network, name: bridgeName(network.id) }))
          retired.retire({ ...context, mark }, socket, link)
      })
    },

    async attach(context, endpoint, sandbox) {
      context.signal.throwIfAborted()
      retired.defer()
      const { id, network, mac, address4, address6 } = endpoint
      const addresses = [address4, address6]
      using socket = openRouteSocket()
      const master =
        findLink(socket, bridgeName(network.id)) ??
        (await turns.run(network.id, () => ensureLinks(socket, context, network)))
      const peers = peersOf(context, network)
      await using undo = new AsyncDisposableStack()
      undo.defer(() => peers.release(id))
      peers.claim(id, mac, addresses)
      const spec = { mark: markOf(context), endpoint, options: parseOverlayOptions(network), master }
      const attachment = await attachEndpoint(socket, announcer, spec, sandbox)
      peers.claim(id, attachment.mac, addresses)
      undo.move()
      return attachment
    },

    async detach(context, endpoint) {
      using socket = openRouteSocket()
      retired.defer()
      announcer.stop(endpoint.id)
      await removePort(socket, markOf(context), endpoint.id)
      networks.get(endpoint.network.id)?.release(endpoint.id)
    },

    async reconfigure(_context, endpoint, sandbox) {
      reconfigureEndpoint(endpoint, parseOverlayOptions(endpoint.network), sandbox)
    },

    settle: () => retired.settle(),

    async repair(context, network, endpoints) {
      const faults = await turns.run(network.id, () => repairLinks(context, network, endpoints))
      const report = await networks.get(network.id)?.audit()
      return report === undefined ? faults : [...faults, ...describeReport(report)]
    },

    async sweep(context, wanted, endpoints) {
      using socket = openRouteSocket()
      const ids = new Set<string>([...wanted, ...endpoints].map(({ id }) => id))
      for (const [id, peers] of networks) {
        if (ids.has(id)) continue
        peers[Symbol.dispose]()
        networks.delete(id)
      }
      for (const { id, network, address4, address6 } of endpoints)
        networks.get(network.id)?.claim(id, '', [address4, address6])
      const removed = await sweepLinks(socket, markOf(context), ids, 'vxlan')
      if (removed.length > 0) context.log.info({ links: removed }, 'removed left-over links')
    },

    follow(listener) {
      suspect = listener
      watch = new OverlayWatch(cluster, networks, listener)
      return watch
    },

    statusOf(network) {
      const peers = networks.get(network.id)
      if (peers === undefined) return null
      const options = parseOverlayOptions(network)
      const mtu = fitMtu(network, options.mtu, () => underlay.mtu())
      return { vni: options.vni, mtu, peers: peers.table.size, repaired: peers.repaired }
    },
  }
}

/** Built-in drivers sweep links of the daemon's own mark. */
function markOf({ mark }: DriverContext): string {
  return `${mark}/overlay`
}

function noVni(network: NetworkRecord): Error {
  return badOption(
    `network ${network.name} has no VXLAN number: give it one with ${vniOption}, which no other network has`,
  )
}
