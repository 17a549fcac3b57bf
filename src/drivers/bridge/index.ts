/** Networks on a Linux bridge of this host, Docker's default kind. */
import { findLink } from '../../netlink/link.ts'
import { openRouteSocket, type RouteSocket } from '../../netlink/socket.ts'
import { Announcer } from '../../sandbox/announcer.ts'
import type { NetworkRecord } from '../../store/records.ts'
import { bridgeName } from '../../values/interface-name.ts'
import { attachEndpoint, reconfigureEndpoint } from '../bridging/attach.ts'
import { type BridgeSpec, ensureBridge, ownBridges, sweepLinks } from '../bridging/links.ts'
import { gatewayOf } from '../bridging/options.ts'
import { removePort } from '../bridging/ports.ts'
import { repairBridge } from '../bridging/repair.ts'
import { RetiredBridges } from '../bridging/retired.ts'
import { bridgeRules } from '../bridging/rules.ts'
import type { NetworkDriver } from '../driver.ts'
import { parseRates, rateOptions } from '../endpoint-rates.ts'
import { refuseEndpointOptions } from '../network-options.ts'
import { bridgeMtu } from './mtu.ts'
import { BridgeNames } from './names.ts'
import { type BridgeOptions, parseBridgeOptions } from './options.ts'

export type { BridgeOptions }

/** Works in the network namespace that the daemon runs in. */
export function createBridgeDriver(): NetworkDriver<BridgeOptions> {
  const retired = new RetiredBridges()
  const announcer = new Announcer()
  const names = new BridgeNames()
  return {
    name: 'bridge',
    capabilities: { scope: 'local', addresses: 'ipam', gateway: 'always', ports: 'engine' },
    parseOptions: parseBridgeOptions,
    checkEndpoint(network, { options }) {
      refuseEndpointOptions('bridge', network, options, Object.values(rateOptions))
      parseRates(options)
    },
    gatewayFor: gatewayOf,

    async createNetwork(context, network) {
      context.signal.throwIfAborted()
      const options = parseBridgeOptions(network)
      const name = bridgeNameOf(network, options)
      using socket = openRouteSocket()
      retired.defer()
      names.take(name, network)
      ensureBridge(socket, bridgeOf(socket, context.mark, network, options))
      // The way out may take less than what the user has set.
      return bridgeRules(network, options, { name, clampMss: options.mtu !== 0 })
    },

    async removeNetwork(context, network) {
      names.release(network)
      using socket = openRouteSocket()
      const name = bridgeNameOf(network, parseBridgeOptions(network))
      for (const link of ownBridges(socket, { mark: context.mark, network, name }))
        retired.retire(context, socket, link)
    },

    async attach(context, endpoint, sandbox) {
      context.signal.throwIfAborted()
      retired.defer()
      const { mark } = context
      const { network } = endpoint
      const options = parseBridgeOptions(network)
      using socket = openRouteSocket()
      const master =
        findLink(socket, bridgeNameOf(network, options)) ??
        ensureBridge(socket, bridgeOf(socket, mark, network, options))
      return await attachEndpoint(socket, announcer, { mark, endpoint, options, master }, sandbox)
    },

    async detach(context, endpoint) {
      using socket = openRouteSocket()
      retired.defer()
      announcer.stop(endpoint.id)
      await removePort(socket, context.mark, endpoint.id)
    },

    async reconfigure(_context, endpoint, sandbox) {
      reconfigureEndpoint(endpoint, parseBridgeOptions(endpoint.network), sandbox)
    },

    settle: () => retired.settle(),

    async repair({ mark }, network, endpoints) {
      using socket = openRouteSocket()
      return repairBridge(socket, bridgeOf(socket, mark, network, parseBridgeOptions(network)), endpoints)
    },

    async sweep(context, networks, endpoints) {
      names.keep(networks)
      using socket = openRouteSocket()
      const removed = await sweepLinks(
        socket,
        context.mark,
        new Set<string>([...networks, ...endpoints].map(({ id }) => id)),
      )
      if (removed.length > 0) context.log.info({ links: removed }, 'removed left-over links')
    },
  }
}

/** The name of a network's bridge. */
function bridgeNameOf(network: NetworkRecord, options: BridgeOptions): string {
  return options.bridgeName === '' ? bridgeName(network.id) : options.bridgeName
}

function bridgeOf(
  socket: RouteSocket,
  mark: string,
  network: NetworkRecord,
  options: BridgeOptions,
): BridgeSpec {
  const mtu = bridgeMtu(socket, network, options)
  return { mark, network, options, name: bridgeNameOf(network, options), mtu }
}
