/** A network of the kinds macvlan and ipvlan as it should be beside what somebody else has made of it, or a parent that came back. */
import { setImmediate } from 'node:timers/promises'
import { TsnetError } from '../../errors.ts'
import { watchEvents } from '../../netlink/events.ts'
import { findLink, type Link, listLinks } from '../../netlink/link.ts'
import { openRouteSocket, type RouteSocket } from '../../netlink/socket.ts'
import type { NetworkRecord } from '../../store/records.ts'
import type { EndpointId, NetworkId } from '../../values/id.ts'
import { dummyParentName, shimName } from '../../values/interface-name.ts'
import type { StandingEndpoint } from '../driver.ts'
import { tagOf } from '../link-tags.ts'
import { ensureParent } from './links.ts'
import { type Kind, type MacvlanOptions, parseMacvlanOptions } from './options.ts'
import type { ParentUsers } from './parents.ts'
import { addHostRoutes, ensureShim } from './shim.ts'

/** Makes parent and shim again if they are gone, and returns what was, in words. Throws kind 'unavailable' where the host itself has to. */
export async function repairHost(
  socket: RouteSocket,
  mark: string,
  kind: Kind,
  network: NetworkRecord,
  endpoints: readonly StandingEndpoint[],
): Promise<string[]> {
  const options = parseMacvlanOptions(kind, network)
  const name = options.parent || dummyParentName(kind, network.id)
  const isGone = findLink(socket, name) === null
  const parent = await parentOf(socket, mark, kind, network, options, isGone)
  const faults = isGone ? [`parent interface ${name} was gone`] : []
  const shim = shimName(kind, network.id)
  if (!options.hostAccess || findLink(socket, shim) !== null) return faults
  const made = await ensureShim(socket, mark, kind, network, options, parent)
  for (const endpoint of endpoints) addHostRoutes(socket, made, endpoint)
  return [...faults, `link ${shim} between host and containers was gone`]
}

async function parentOf(
  socket: RouteSocket,
  mark: string,
  kind: Kind,
  network: NetworkRecord,
  options: MacvlanOptions,
  isGone: boolean,
): Promise<Link> {
  try {
    return await ensureParent(socket, mark, kind, network, options)
  } catch (error) {
    if (!isGone) throw error
    throw new TsnetError(
      'unavailable',
      'parent-gone',
      `network ${network.name}: parent interface ${options.parent} is gone, and containers have no interface on it until it is back`,
      { cause: error },
    )
  }
}

/** Those of the endpoints that have no link any more: it goes with its parent, or by itself. */
export async function lostLinks(
  mark: string,
  kind: Kind,
  endpoints: readonly StandingEndpoint[],
): Promise<EndpointId[]> {
  const lost: EndpointId[] = []
  for (const endpoint of endpoints) {
    if (isLost(mark, kind, endpoint)) lost.push(endpoint.id)
    // Each is looked for in a namespace of its own: others have their turn in between.
    await setImmediate()
  }
  return lost
}

function isLost(mark: string, kind: Kind, { id, sandbox: openSandbox }: StandingEndpoint): boolean {
  using sandbox = openSandbox()
  if (sandbox === null) return false
  using socket = openRouteSocket(sandbox.netns)
  return !listLinks(socket, kind).some(({ alias }) => alias === tagOf(mark, id))
}

/**
 * Calls `suspect` with the networks on a parent that comes, goes or changes, until disposed of. The kernel tells of a parent also when it loses
 * a link in whatever namespace (NETDEV_CHANGEUPPER in net/core/rtnetlink.c), so that nobody has to listen in all of them.
 */
export function watchParents(
  users: ParentUsers,
  kind: Kind,
  suspect: (network: NetworkId) => void,
): Disposable {
  return watchEvents((event) => {
    if (event.type !== 'link' && event.type !== 'link-removed') return
    for (const network of users.on(kind, event.link.name)) suspect(network)
  })
}
