/** An endpoint on a bridge: a port of the bridge, whose far end is the container's interface. */
import { getLink, type Link } from '../../netlink/link.ts'
import { openRouteSocket, type RouteSocket } from '../../netlink/socket.ts'
import type { Announcer } from '../../sandbox/announcer.ts'
import { configureLink } from '../../sandbox/interface.ts'
import { readSysctl, type Sandbox } from '../../sandbox/sandbox.ts'
import type { Labels } from '../../store/records.ts'
import { hostVethName } from '../../values/interface-name.ts'
import { formatMac, linkLocalOf, parseMac, randomMac } from '../../values/mac.ts'
import { interfaceOf } from '../configure-endpoint.ts'
import type { Attachment, EndpointSpec } from '../driver.ts'
import { parseRates } from '../endpoint-rates.ts'
import type { BridgingOptions } from './options.ts'
import { createPair, forgetNeighbours, joinBridge, limitPort, removePort } from './ports.ts'
import { applyRates } from './rates.ts'

export interface AttachSpec {
  /** Begins the aliases of the driver's links. */
  readonly mark: string
  readonly endpoint: EndpointSpec
  readonly options: BridgingOptions
  /** The bridge. */
  readonly master: Link
  /** Milliseconds until the first announcement, where nobody can wait for it. */
  readonly announceAfter?: number
}

/** Makes the endpoint's pair and its interface ready; nothing of it is left after a failure. */
export async function attachEndpoint(
  socket: RouteSocket,
  announcer: Announcer,
  { mark, endpoint, options, master, announceAfter: delay = 0 }: AttachSpec,
  sandbox: Sandbox,
): Promise<Attachment> {
  const { id, interfaceName, address4, address6, gateway4, gateway6 } = endpoint
  const mac = endpoint.mac === '' ? randomMac() : formatMac(parseMac(endpoint.mac))
  await using undo = new AsyncDisposableStack()
  undo.defer(async () => void (await removePort(socket, mark, id)))
  const { onlyOwnMac } = endpoint
  const port = { mark, id, master, interfaceName, mac, isolated: !options.interContainer, onlyOwnMac }
  const near = await createPair(socket, sandbox, port)
  using inside = openRouteSocket(sandbox.netns)
  const { index } = configureLink(inside, sandbox, interfaceOf(quiet(sandbox, endpoint, mac)))
  const rates = parseRates(endpoint.options)
  if (rates.in !== null || rates.out !== null) applyRates(socket, near, inside, index, rates)
  // After all else: what the interface then says to all its neighbours keeps the kernel from other changes of links.
  joinBridge(socket, near, port)
  // To be asked for a link makes the kernel look at its carrier now (rtnl_getlink() in net/core/rtnetlink.c): at the port's, so that it
  // passes frames, then at the bridge's, which sends nothing itself before its first port does, and at the container's.
  for (const link of [near, master.index]) getLink(socket, link)
  getLink(inside, index)
  forgetNeighbours(socket, master, [address4, address6, ...endpoint.linkLocal])
  const { announcements: times, announcementInterval: interval } = options
  announcer.announce(sandbox, id, { index, mac, addresses: [address4, address6] }, { times, interval, delay })
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
 * The endpoint with what lets its interface come up in silence, as a bridge carries to each of its ports what it says to all. It asks
 * neither whether somebody has its address, which is made of a hardware address of our choice, nor, where the gateway is known, who is a
 * router. And it has its link-local address before it is up, or it would tell of its groups twice as often, once more when it has got the
 * address (addrconf_dad_completed() in net/ipv6/addrconf.c).
 */
function quiet(sandbox: Sandbox, endpoint: EndpointSpec, mac: string): EndpointSpec {
  const { interfaceName, address6, gateway6, linkLocal, sysctls } = endpoint
  if (address6 === '') return endpoint
  const ipv6 = `net/ipv6/conf/${interfaceName}`
  const silence = {
    [`${ipv6}/accept_dad`]: '0',
    ...(gateway6 === '' ? {} : { [`${ipv6}/router_solicitations`]: '0' }),
  }
  const own = makesUsualLinkLocal(sandbox, ipv6, sysctls) ? [linkLocalOf(mac)] : []
  return { ...endpoint, linkLocal: [...linkLocal, ...own], sysctls: { ...silence, ...sysctls } }
}

/** Whether the kernel makes the address of the hardware address (IN6_ADDR_GEN_MODE_EUI64 of <linux/if_link.h>). */
function makesUsualLinkLocal(sandbox: Sandbox, ipv6: string, sysctls: Labels): boolean {
  const mode = `${ipv6}/addr_gen_mode`
  const isToldOtherwise = mode in sysctls || `${ipv6}/stable_secret` in sysctls
  return !isToldOtherwise && readSysctl(sandbox.netns, mode) === '0'
}
