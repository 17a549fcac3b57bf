/** Where the other hosts of a cluster reach this one: an address of its own, and how long the packets of its link may be. */
import type { Cluster } from '../cluster/cluster.ts'
import { TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { type Address, listAddresses } from '../netlink/address.ts'
import { watchEvents } from '../netlink/events.ts'
import { findLink, getLink } from '../netlink/link.ts'
import { listRoutes } from '../netlink/route.ts'
import { openRouteSocket, type RouteSocket } from '../netlink/socket.ts'
import { parseCidr } from '../values/cidr.ts'
import { isIp } from '../values/ip.ts'

export interface Underlay {
  readonly address: string
  /** bytes */
  readonly mtu: number
}

/** `advertise` is an address, an interface, or '' for the way out's. Throws kind 'invalid' when the host has no such address. */
export function findUnderlay(advertise: string): Underlay {
  using socket = openRouteSocket()
  const addresses = listAddresses(socket).map((one) => ({ ...one, text: parseCidr(one.cidr).address }))
  const found = isIp(advertise)
    ? addresses.find(({ text }) => text === advertise)
    : preferred(addresses, advertise === '' ? leadingOut(socket) : linkIndex(socket, advertise))
  if (found === undefined) throw noAddress(advertise)
  return { address: found.text, mtu: getLink(socket, found.index).mtu }
}

function linkIndex(socket: RouteSocket, name: string): { index: number; source: string } {
  return { index: findLink(socket, name)?.index ?? -1, source: '' }
}

function leadingOut(socket: RouteSocket): { index: number; source: string } {
  for (const family of [4, 6] as const) {
    const routes = listRoutes(socket, family).filter(({ destination }) => destination.endsWith('/0'))
    const best = routes.sort((a, b) => a.metric - b.metric).find((route) => route.index !== 0)
    if (best !== undefined) return { index: best.index, source: best.source ?? '' }
  }
  return { index: -1, source: '' }
}

/** The route's own source address, else the link's first one of global scope, IPv4 before IPv6. */
function preferred<A extends Address & { readonly text: string }>(
  addresses: readonly A[],
  { index, source }: { index: number; source: string },
): A | undefined {
  const own = addresses.filter((one) => one.index === index && !/^(fe80:|169\.254\.)/i.test(one.text))
  const isIpv4 = ({ text }: A): boolean => !text.includes(':')
  return own.find(({ text }) => text === source) ?? own.find(isIpv4) ?? own[0]
}

function noAddress(advertise: string): TsnetError {
  const what =
    advertise === ''
      ? 'no default route tells at which address the other hosts reach this one: give --advertise ADDRESS or INTERFACE'
      : `--advertise ${advertise} is neither an address of this host nor an interface that has one`
  return new TsnetError('invalid', 'no-underlay', what)
}

/** Milliseconds from the first sign of a change to a look. */
const patience = 200

/** Tells the cluster when the address or the MTU has changed. */
export function followUnderlay(cluster: Cluster, advertise: string, log: Logger): Disposable {
  let timer: NodeJS.Timeout | null = null
  const compare = (): void => {
    timer = null
    try {
      const { address, mtu } = findUnderlay(advertise)
      if (address === cluster.self.address && mtu === cluster.self.mtu) return
      log.info({ address, mtu }, 'the way to the other hosts has changed')
      cluster.describe({ address, mtu })
    } catch (error) {
      log.warn({ err: error }, 'the other hosts may not reach this one')
    }
  }
  const suspect = (): void => {
    timer ??= setTimeout(compare, patience).unref()
  }
  const watches = [watchEvents(suspect), watchEvents(suspect, undefined, 'routes')]
  return {
    [Symbol.dispose]() {
      for (const watch of watches) watch[Symbol.dispose]()
      clearTimeout(timer ?? undefined)
    },
  }
}
