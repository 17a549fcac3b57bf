/** Networks on a Linux bridge of this host, Docker's default kind. */

import { findLink, getLink } from '../../netlink/link.ts'
import { openRouteSocket } from '../../netlink/socket.ts'
import { Announcer } from '../../sandbox/announcer.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { hostVethName } from '../../values/interface-name.ts'
import { formatMac, parseMac, randomMac } from '../../values/mac.ts'
import { configureEndpoint } from '../configure-endpoint.ts'
import type { Attachment, EndpointSpec, NetworkDriver } from '../driver.ts'
import { parseRates, rateOptions } from '../endpoint-rates.ts'
import { refuseEndpointOptions } from '../network-options.ts'
import { bridgeNameOf, ensureBridge, ownBridges, sweepLinks } from './links.ts'
import { BridgeNames } from './names.ts'
import { type BridgeOptions, gatewayOf, parseBridgeOptions } from './options.ts'
import { createPort, forgetNeighbours, limitPort, removePort } from './ports.ts'
import { applyRates } from './rates.ts'
import { repairNetwork } from './repair.ts'
import { RetiredBridges } from './retired.ts'
import { bridgeRules } from './rules.ts'

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
      using socket = openRouteSocket()
      retired.defer()
      names.take(bridgeNameOf(network, options), network)
      ensureBridge(socket, context.mark, network, options)
      return bridgeRules(network, options, bridgeNameOf(network, options))
    },

    async removeNetwork(context, network) {
      names.release(network)
      using socket = openRouteSocket()
      for (const link of ownBridges(socket, context.mark, network, parseBridgeOptions(network)))
        retired.retire(context, socket, link)
    },

    async attach(context, endpoint, sandbox) {
      context.signal.throwIfAborted()
      retired.defer()
      return attach(announcer, context.mark, endpoint, sandbox)
    },

    async detach(context, endpoint) {
      using socket = openRouteSocket()
      retired.defer()
      announcer.stop(endpoint.id)
      await removePort(socket, context.mark, endpoint.id)
    },

    async reconfigure(_context, endpoint, sandbox) {
      using socket = openRouteSocket()
      using inside = openRouteSocket(sandbox.netns)
      const port = getLink(socket, hostVethName(endpoint.id)).index
      limitPort(socket, port, { ...endpoint, isolated: !parseBridgeOptions(endpoint.network).interContainer })
      applyRates(
        socket,
        port,
        inside,
        getLink(inside, endpoint.interfaceName).index,
        parseRates(endpoint.options),
      )
    },

    settle: () => retired.settle(),

    async repair(context, network, endpoints) {
      return repairNetwork(context, network, parseBridgeOptions(network), endpoints)
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

async function attach(
  announcer: Announcer,
  mark: string,
  endpoint: EndpointSpec,
  sandbox: Sandbox,
): Promise<Attachment> {
  const { id, network, interfaceName, address4, address6, gateway4, gateway6 } = endpoint
  const options = parseBridgeOptions(network)
  const mac = endpoint.mac === '' ? randomMac() : formatMac(parseMac(endpoint.mac))
  using socket = openRouteSocket()
  await using undo = new AsyncDisposableStack()
  const master =
    findLink(socket, bridgeNameOf(network, options)) ?? ensureBridge(socket, mark, network, options)
  undo.defer(async () => void (await removePort(socket, mark, id)))
  const port = await createPort(socket, sandbox, {
    mark,
    id,
    master,
    interfaceName,
    mac,
    isolated: !options.interContainer,
    onlyOwnMac: endpoint.onlyOwnMac,
  })
  const { index } = configureEndpoint(sandbox, {
    ...endpoint,
    sysctls: { ...quiet(endpoint), ...endpoint.sysctls },
  })
  const rates = parseRates(endpoint.options)
  if (rates.in !== null || rates.out !== null) {
    using inside = openRouteSocket(sandbox.netns)
    applyRates(socket, port, inside, index, rates)
  }
  // To be asked for the port makes the kernel look at its carrier now (rtnl_getlink() in net/core/rtnetlink.c), and the port pass frames.
  getLink(socket, port)
  forgetNeighbours(socket, master, [address4, address6, ...endpoint.linkLocal])
  const { announcements: times, announcementInterval: interval } = options
  announcer.announce(sandbox, id, { index, mac, addresses: [address4, address6] }, { times, interval })
  undo.move()
  return { interfaceName, mac, address4, address6, gateway4, gateway6 }
}

/**
 * Settings under which an interface asks all its neighbours nothing when it comes up, which a bridge carries to each of its ports: whether
 * somebody has its address, which is made of a hardware address of our choice, and, where the gateway is known, who is a router.
 */
function quiet({ interfaceName, address6, gateway6 }: EndpointSpec): Record<string, string> {
  if (address6 === '') return {}
  const ipv6 = `net/ipv6/conf/${interfaceName}`
  return {
    [`${ipv6}/accept_dad`]: '0',
    ...(gateway6 === '' ? {} : { [`${ipv6}/router_solicitations`]: '0' }),
  }
}
