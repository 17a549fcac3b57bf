/**
 * Networks that span the hosts of a cluster. On each host that has endpoints on one, its bridge is as that of a bridge network, with the
 * same gateway at the same hardware address everywhere; one port more of it leads to the other hosts.
 */
import type { Cluster } from '../../cluster/cluster.ts'
import { openRouteSocket } from '../../netlink/socket.ts'
import { Announcer } from '../../sandbox/announcer.ts'
import type { NetworkRecord } from '../../store/records.ts'
import { attachEndpoint, reconfigureEndpoint } from '../bridging/attach.ts'
import { sweepLinks } from '../bridging/links.ts'
import { gatewayOf } from '../bridging/options.ts'
import { removePort } from '../bridging/ports.ts'
import { lostPorts } from '../bridging/repair.ts'
import { RetiredBridges } from '../bridging/retired.ts'
import { bridgeRules } from '../bridging/rules.ts'
import type { NetworkDriver } from '../driver.ts'
import { parseRates, rateOptions } from '../endpoint-rates.ts'
import { refuseEndpointOptions } from '../network-options.ts'
import { requireEncryption } from './encryption.ts'
import type { TunnelKeys } from './keys.ts'
import { markOf, OverlayNetworks, type OverlayStatus } from './networks.ts'
import { type OverlayOptions, parseOverlayOptions } from './options.ts'

export type { OverlayOptions, OverlayStatus }

export interface OverlayDriver extends NetworkDriver<OverlayOptions> {
  /** Null for a network that this host does not use. */
  statusOf(network: NetworkRecord): OverlayStatus | null
}

/** Works in the network namespace that the daemon runs in. `keys` are the host's, null when it cannot encrypt. */
export function createOverlayDriver(cluster: Cluster, keys: TunnelKeys | null = null): OverlayDriver {
  const retired = new RetiredBridges()
  const announcer = new Announcer()
  const networks = new OverlayNetworks(cluster, keys)
  return {
    name: 'overlay',
    capabilities: { scope: 'global', addresses: 'ipam', gateway: 'always', ports: 'engine' },
    parseOptions: parseOverlayOptions,
    checkEndpoint(network, { options }) {
      refuseEndpointOptions('overlay', network, options, Object.values(rateOptions))
      parseRates(options)
    },
    checkHost(network) {
      if (parseOverlayOptions(network).encrypted) requireEncryption(network)
    },
    gatewayFor: gatewayOf,

    async createNetwork(context, network) {
      context.signal.throwIfAborted()
      retired.defer()
      const { name } = await networks.use(context, network)
      // The way out may take less than the ways between the hosts do.
      return bridgeRules(network, parseOverlayOptions(network), { name, clampMss: true })
    },

    async removeNetwork(context, network) {
      await networks.remove(context, network, retired)
    },

    async attach(context, endpoint, sandbox) {
      context.signal.throwIfAborted()
      retired.defer()
      const { id, network, mac, address4, address6 } = endpoint
      const addresses = [address4, address6]
      using socket = openRouteSocket()
      const master = await networks.bridgeOf(socket, context, network)
      const peers = networks.peersOf(context, network)
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
      networks.find(endpoint.network.id)?.release(endpoint.id)
    },

    async reconfigure(_context, endpoint, sandbox) {
      reconfigureEndpoint(endpoint, parseOverlayOptions(endpoint.network), sandbox)
    },

    settle: () => retired.settle(),

    repair: (context, network, endpoints) => networks.repair(context, network, endpoints),

    findLost: async (context, endpoints) => lostPorts(markOf(context), endpoints),

    async sweep(context, wanted, endpoints) {
      const ids = new Set<string>([...wanted, ...endpoints].map(({ id }) => id))
      networks.keep(ids)
      const keepsTunnel = wanted.some((network) => parseOverlayOptions(network).encrypted)
      for (const { id, network, address4, address6 } of endpoints)
        networks.find(network.id)?.claim(id, '', [address4, address6])
      using socket = openRouteSocket()
      const removed = await sweepLinks(
        socket,
        markOf(context),
        keepsTunnel ? ids.add('tunnel') : ids,
        'vxlan',
        'wireguard',
      )
      if (removed.length > 0) context.log.info({ links: removed }, 'removed left-over links')
    },

    follow: (suspect) => networks.follow(suspect),

    statusOf: (network) => networks.statusOf(network),
  }
}
