/** What a host has of the cluster's networks: the links of each, and what is known of its endpoints on other hosts. */
import type { Cluster } from '../../cluster/cluster.ts'
import { findLink, getLink, type Link } from '../../netlink/link.ts'
import { openRouteSocket, type RouteSocket } from '../../netlink/socket.ts'
import type { NetworkRecord } from '../../store/records.ts'
import type { NetworkId } from '../../values/id.ts'
import { bridgeName } from '../../values/interface-name.ts'
import { type BridgeSpec, ensureBridge, ownBridges } from '../bridging/links.ts'
import { fitMtu } from '../bridging/mtu.ts'
import { repairBridge } from '../bridging/repair.ts'
import type { RetiredBridges } from '../bridging/retired.ts'
import type { DriverContext, StandingEndpoint } from '../driver.ts'
import { badOption } from '../network-options.ts'
import { describeReport } from './audit.ts'
import type { TunnelKeys } from './keys.ts'
import { ensureVxlan, removeVxlan, type VxlanSpec, vxlanFaults } from './links.ts'
import { parseOverlayOptions, vniOption } from './options.ts'
import { Peers } from './peers.ts'
import { Tunnel } from './tunnel.ts'
import { Turns } from './turns.ts'
import { encryptedUnderlay, plainUnderlay, type Underlay } from './underlay.ts'
import { OverlayWatch } from './watch.ts'

/** How a network is on this host. */
export interface OverlayStatus {
  /** bytes */
  readonly mtu: number
  /** Entries that were put right since the daemon started. */
  readonly repaired: number
}

export class OverlayNetworks {
  readonly #cluster: Cluster
  readonly #plain: Underlay
  readonly #encrypted: Underlay
  readonly #tunnel: Tunnel
  readonly #used = new Map<NetworkId, Peers>()
  /** The links of a network change in several steps. */
  readonly #turns = new Turns()
  #watch: OverlayWatch | null = null
  #suspect: (network: NetworkId) => void = () => {}
  /** Whether the cluster has told of all hosts. */
  #knowsHosts = false

  constructor(cluster: Cluster, keys: TunnelKeys | null) {
    this.#cluster = cluster
    this.#plain = plainUnderlay(cluster)
    this.#encrypted = encryptedUnderlay(cluster)
    this.#tunnel = new Tunnel({ cluster, keys, knowsHosts: () => this.#knowsHosts, markOf })
    this.#awaitHosts()
    // if that takes too long, some are told later
    cluster.nodes.subscribe(() => this.#awaitHosts())
  }

  #awaitHosts(): void {
    if (this.#knowsHosts) return
    const know = (): void => {
      this.#knowsHosts = true
    }
    this.#cluster.nodes.ready().then(know, () => {})
  }

  /** Begins to use a network here, and goes on with it. Resolves when its endpoints elsewhere are known, if etcd can be asked. */
  async use(context: DriverContext, network: NetworkRecord): Promise<Link> {
    const bridge = await this.#turns.run(network.id, () => this.#ensureLinks(context, network))
    // While etcd is away the network is used as far as it is known.
    const settled = this.peersOf(context, network).settle()
    const known = settled.catch((error: unknown) => {
      context.log.warn({ network: network.name, err: error }, 'endpoints of other hosts are not known yet')
    })
    if (this.#cluster.health().state === 'connected') await known
    return bridge
  }

  /** Its bridge, made again when somebody has deleted it. */
  async bridgeOf(socket: RouteSocket, context: DriverContext, network: NetworkRecord): Promise<Link> {
    const present = findLink(socket, bridgeName(network.id))
    return present ?? (await this.#turns.run(network.id, () => this.#ensureLinks(context, network)))
  }

  peersOf({ log }: DriverContext, network: NetworkRecord): Peers {
    const present = this.#used.get(network.id)
    if (present !== undefined) return present
    const peers = new Peers({
      cluster: this.#cluster,
      network,
      log,
      underlay: this.#underlayOf(network),
      watch: () => this.#watch?.entries ?? null,
      suspect: () => this.#suspect(network.id),
    })
    this.#used.set(network.id, peers)
    return peers
  }

  /** Null for a network that is not used here. */
  find(network: NetworkId): Peers | null {
    return this.#used.get(network) ?? null
  }

  /** Safe to repeat. */
  async remove(context: DriverContext, network: NetworkRecord, retired: RetiredBridges): Promise<void> {
    this.#forget(network.id)
    const mark = markOf(context)
    await this.#turns.run(network.id, async () => {
      using socket = openRouteSocket()
      await removeVxlan(socket, mark, network)
      if (isEncrypted(network)) await this.#tunnel.release(socket, context, network.id)
      for (const link of ownBridges(socket, { mark, network, name: bridgeName(network.id) }))
        retired.retire({ ...context, mark }, socket, link)
    })
  }

  /** Forgets networks that are not among these. */
  keep(networks: ReadonlySet<string>): void {
    for (const id of this.#used.keys()) if (!networks.has(id)) this.#forget(id)
  }

  /** Makes good what somebody else has changed, and returns what that was, in words. */
  async repair(
    context: DriverContext,
    network: NetworkRecord,
    endpoints: readonly StandingEndpoint[],
  ): Promise<string[]> {
    const faults = await this.#turns.run(network.id, () => this.#repairLinks(context, network, endpoints))
    const report = await this.find(network.id)?.audit()
    return report === undefined ? faults : [...faults, ...describeReport(report)]
  }

  statusOf(network: NetworkRecord): OverlayStatus | null {
    const peers = this.find(network.id)
    if (peers === null) return null
    const mtu = fitMtu(network, parseOverlayOptions(network).mtu, () => this.#underlayOf(network).mtu())
    return { mtu, repaired: peers.repaired }
  }

  follow(suspect: (network: NetworkId) => void): Disposable {
    this.#suspect = suspect
    const undo = new DisposableStack()
    this.#watch = undo.use(new OverlayWatch(this.#cluster, this.#used, suspect))
    const rotation = this.#tunnel.exchangeKeys(() => this.#partners())
    if (rotation !== null) undo.use(rotation)
    return undo
  }

  /** The bridge with its port to the other hosts. */
  async #ensureLinks(context: DriverContext, network: NetworkRecord): Promise<Link> {
    using socket = openRouteSocket()
    const bridge = ensureBridge(socket, this.#bridgeSpec(socket, context, network))
    const through = isEncrypted(network) ? await this.#tunnel.use(socket, context, network, bridge.mtu) : 0
    const { index, fresh } = await ensureVxlan(socket, this.#vxlanSpec(context, network, bridge, through))
    this.peersOf(context, network).bind({ port: index, bridge: bridge.index, through }, fresh)
    return bridge
  }

  /** Nothing of a network that is not used here any more. */
  async #repairLinks(
    context: DriverContext,
    network: NetworkRecord,
    endpoints: readonly StandingEndpoint[],
  ): Promise<string[]> {
    if (!this.#used.has(network.id)) return []
    using socket = openRouteSocket()
    const spec = this.#bridgeSpec(socket, context, network)
    const faults = repairBridge(socket, spec, endpoints)
    if (isEncrypted(network)) faults.push(...this.#tunnel.faults(socket, context))
    const through = isEncrypted(network) ? this.#tunnel.index : 0
    faults.push(
      ...vxlanFaults(socket, this.#vxlanSpec(context, network, getLink(socket, spec.name), through)),
    )
    await this.#ensureLinks(context, network)
    return faults
  }

  #bridgeSpec(socket: RouteSocket, context: DriverContext, network: NetworkRecord): BridgeSpec {
    const options = parseOverlayOptions(network)
    const name = bridgeName(network.id)
    // Before all hosts are known, what an earlier daemon knew of them stands in the bridge.
    const known = this.#knowsHosts ? Number.POSITIVE_INFINITY : (findLink(socket, name)?.mtu ?? 65_535)
    const mtu = fitMtu(network, options.mtu, () => Math.min(this.#underlayOf(network).mtu(), known))
    return { mark: markOf(context), network, options, name, mtu, toldNeighbours: true }
  }

  #vxlanSpec(context: DriverContext, network: NetworkRecord, master: Link, through: number): VxlanSpec {
    const { vni, interContainer } = parseOverlayOptions(network)
    if (vni === 0) {
      const what = `network ${network.name} has no VXLAN number`
      throw badOption(`${what}: give it one with ${vniOption}, which no other network has`)
    }
    const local = this.#underlayOf(network).local()
    return { mark: markOf(context), network, vni, local, through, master, isolated: !interContainer }
  }

  /** The hosts that encrypted packets of this one's go to. */
  #partners(): ReadonlySet<string> {
    const encrypted = [...this.#used.values()].filter(({ place }) => (place?.through ?? 0) !== 0)
    return new Set(encrypted.flatMap((peers) => [...peers.hosts()]))
  }

  #underlayOf(network: NetworkRecord): Underlay {
    return isEncrypted(network) ? this.#encrypted : this.#plain
  }

  #forget(network: NetworkId): void {
    this.#used.get(network)?.[Symbol.dispose]()
    this.#used.delete(network)
  }
}

function isEncrypted(network: NetworkRecord): boolean {
  return parseOverlayOptions(network).encrypted
}

/** Built-in drivers sweep links of the daemon's own mark: this one's is its own. */
export function markOf({ mark }: Pick<DriverContext, 'mark'>): string {
  return `${mark}/overlay`
}
