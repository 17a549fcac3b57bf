/** An endpoint on a bridge: a port of the bridge, whose far end is the container's interface. */
import { getLink, type Link } from '../../netlink/link.ts'
import { openRouteSocket, type RouteSocket } from '../../netlink/socket.ts'
import type { Announcer } from '../../sandbox/announcer.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { hostVethName } from '../../values/interface-name.ts'
import { formatMac, parseMac, randomMac } from '../../values/mac.ts'
import { configureEndpoint } from '../configure-endpoint.ts'
import type { Attachment, EndpointSpec } from '../driver.ts'
import { parseRates } from '../endpoint-rates.ts'
import type { BridgingOptions } from './options.ts'
import { createPort, forgetNeighbours, limitPort, removePort } from './ports.ts'
import { applyRates } from './rates.ts'

export interface AttachSpec {
  /** Begins the aliases of the driver's links. */
  readonly mark: string
  readonly endpoint: EndpointSpec
  readonly options: BridgingOptions
  /** The bridge. */
  readonly master: Link
}

/** Makes the endpoint's pair and its interface ready; nothing of it is left after a failure. */
export async function attachEndpoint(
  socket: RouteSocket,
  announcer: Announcer,
  { mark, endpoint, options, master }: AttachSpec,
  sandbox: Sandbox,
): Promise<Attachment> {
  const { id, interfaceName, address4, address6, gateway4, gateway6 } = endpoint
  const mac = endpoint.mac === '' ? randomMac() : formatMac(parseMac(endpoint.mac))
  await using undo = new AsyncDisposableStack()
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
  // To be asked for a link makes the kernel look at its carrier now (rtnl_getlink() in net/core/rtnetlink.c): at the port's, so that it
  // passes frames, and then at the bridge's, which sends nothing itself before its first port does.
  for (const link of [port, master.index]) getLink(socket, link)
  forgetNeighbours(socket, master, [address4, address6, ...endpoint.linkLocal])
  const { announcements: times, announcementInterval: interval } = options
  announcer.announce(sandbox, id, { index, mac, addresses: [address4, address6] }, { times, interval })
  undo.move()
  return { interfaceName, mac, address4, address6, gateway4, gateway6 }
}

/** Brings an attached endpoint to rates and limits that have changed. */
export function reconfigureEndpoint(
  endpoint: EndpointSpec,
  options: BridgingOptions,
  sandbox: Sandbox,
): void {
  using socket = openRouteSocket()
  using inside = openRouteSocket(sandbox.netns)
  const port = getLink(socket, hostVethName(endpoint.id)).index
  limitPort(socket, port, { ...endpoint, isolated: !options.interContainer })
  const { index } = getLink(inside, endpoint.interfaceName)
  applyRates(socket, port, inside, index, parseRates(endpoint.options))
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
