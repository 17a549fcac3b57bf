/** Networks on a Linux bridge of this host, Docker's default kind. */
import { findLink } from '../../netlink/link.ts'
import { openRouteSocket, type RouteSocket } from '../../netlink/socket.ts'
import { Announcer } from '../../sandbox/announcer.ts'
import type { NetworkRecord } from '../../store/records.ts'
import { bridgeName } from '../../values/interface-name.ts'
import { randomMac } from '../../values/mac.ts'
import { attachEndpoint, reconfigureEndpoint } from '../bridging/attach.ts'
import { type BridgeSpec, ensureBridge, ownBridges, sweepLinks } from '../bridging/links.ts'
import { gatewayOf } from '../bridging/options.ts'
import { removePort } from '../bridging/ports.ts'
import { lostPorts, repairBridge } from '../bridging/repair.ts'
import { RetiredBridges } from '../bridging/retired.ts'
import { bridgeRules } from '../bridging/rules.ts'
import type { EndpointSpec, NetworkDriver } from '../driver.ts'
import { parseRates, rateOptions } from '../endpoint-rates.ts'
import { refuseEndpointOptions } from '../network-options.ts'
import { AddressHistory } from './history.ts'
import { bridgeMtu } from './mtu.ts'
import { BridgeNames } from './names.ts'
import { type BridgeOptions, parseBridgeOptions } from './options.ts'

export type { BridgeOptions }

const announcementsOption = 'com.docker.network.advertise_addr_nmsgs'

/** Milliseconds in which a container has started. */
const starting = 100

/** Works in the network namespace that the daemon runs in. */
export function createBridgeDriver(): NetworkDriver<BridgeOptions> {
  const retired = new RetiredBridges()
  const announcer = new Announcer()
  const names = new BridgeNames()
  const history = new AddressHistory()
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
      if (findLink(socket, name) === null) history.begin(network.id)
      ensureBridge(socket, bridgeOf(socket, context.mark, network, options))
      // The way out may take less than what the user has set.
      return bridgeRules(network, options, { name, clampMss: options.mtu !== 0 })
    },

    async removeNetwork(context, network) {
      names.release(network)
      history.end(network.id)
      using socket = openRouteSocket()
      const name = bridgeNameOf(network, parseBridgeOptions(network))
      for (const link of ownBridges(socket, { mark: context.mark, network, name }))
        retired.retire(context, socket, link)
    },

    async attach(context, given, sandbox) {
      context.signal.throwIfAborted()
      retired.defer()
      const { mark } = context
      const { network } = given
      const endpoint = given.mac === '' ? { ...given, mac: randomMac() } : given
      const { options, announceAfter } = announcing(parseBridgeOptions(network), endpoint, history)
      using socket = openRouteSocket()
      const master =
        findLink(socket, bridgeNameOf(network, options)) ??
        ensureBridge(socket, bridgeOf(socket, mark, network, options))
      const spec = { mark, endpoint, options, master, announceAfter }
      return await attachEndpoint(socket, announcer, spec, sandbox)
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

    findLost: async ({ mark }, endpoints) => lostPorts(mark, endpoints),

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

/**
 * An announcement is carried to every port and taken there, so that their cost grows with the square of the containers: unless the user
 * has said how many there are to be, they are repeated only where somebody may know better than the first. Where nobody does, that one
 * does not compete with the container's start.
 */
function announcing(
  options: BridgeOptions,
  { network, address4, address6, mac }: EndpointSpec,
  history: AddressHistory,
): { options: BridgeOptions; announceAfter: number } {
  const isKnown = history.move(network.id, [address4, address6], mac)
  if (isKnown || announcementsOption in network.options) return { options, announceAfter: 0 }
  const announcements = Math.min(options.announcements, 1)
  return { options: { ...options, announcements }, announceAfter: starting }
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
