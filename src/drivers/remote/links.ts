/**
 * The link that a plugin has made in the daemon's namespace: into the sandbox, and back at the end, since it is the plugin's. Its
 * alias says where it came from, so that it finds the way back after any restart.
 */
import { TsnetError } from '../../errors.ts'
import { isNetlinkError } from '../../netlink/error.ts'
import { findLink, type Link, listLinks, setLink } from '../../netlink/link.ts'
import { setRoute } from '../../netlink/route.ts'
import { openRouteSocket } from '../../netlink/socket.ts'
import { configureInterface, setDefaultRoutes } from '../../sandbox/interface.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { openNetns } from '../../sys/netns.ts'
import type { EndpointId } from '../../values/id.ts'
import type { EndpointSpec } from '../driver.ts'
import type { Joined } from './messages.ts'

function aliasPrefix(id: EndpointId): string {
  return `plugin:${id}:`
}

/** Takes a link into the sandbox under a name. Throws kind 'internal' when the plugin has not made it. */
export function takeLink(
  driver: string,
  sandbox: Sandbox,
  id: EndpointId,
  source: string,
  name: string,
): void {
  using host = openRouteSocket()
  const link = findLink(host, source)
  if (link === null) {
    throw new TsnetError(
      'internal',
      'plugin-answer',
      `driver ${driver}: there is no interface ${source}, which it named in its answer to NetworkDriver.Join`,
    )
  }
  setLink(host, link.index, { alias: `${aliasPrefix(id)}${source}` })
  try {
    setLink(host, link.index, { netns: sandbox.netns, name })
  } catch (error) {
    if (!isNetlinkError(error, 'EEXIST')) throw error
    throw new TsnetError(
      'conflict',
      'interface-taken',
      `driver ${driver}: there is an interface ${name} in the container already: give another name`,
    )
  }
}

/** Gives an endpoint's link back under its first name, if it is in the sandbox still. */
export function returnLink(sandbox: Sandbox, id: EndpointId): void {
  using socket = openRouteSocket(sandbox.netns)
  const link = listLinks(socket).find(({ alias }) => alias.startsWith(aliasPrefix(id)))
  if (link === undefined) return
  using home = openNetns('/proc/self/ns/net')
  const name = link.alias.slice(aliasPrefix(id).length)
  try {
    setLink(socket, link.index, { up: false })
    setLink(socket, link.index, { netns: home, name })
  } catch (error) {
    // Gone meanwhile, or the plugin has another of that name.
    if (!isNetlinkError(error, 'ENODEV', 'EEXIST')) throw error
  }
}

/** The name that the user or the plugin wants; of the plugin's prefix, the first that is free. */
export function chooseName(sandbox: Sandbox, wanted: string, { name, prefix }: Joined): string {
  if (name !== '') return name
  const isOurs = /^eth\d+$/.test(wanted)
  if (prefix === '' || !isOurs || prefix === 'eth') return wanted
  using socket = openRouteSocket(sandbox.netns)
  const taken = new Set(listLinks(socket).map((link) => link.name))
  for (let number = 0; ; number++) if (!taken.has(`${prefix}${number}`)) return `${prefix}${number}`
}

/** Addresses the link and routes through it as the plugin said. Returns it as it is now. */
export function configureLink(sandbox: Sandbox, endpoint: EndpointSpec, joined: Joined): Link {
  const { interfaceName, mac, address4, address6, linkLocal } = endpoint
  using socket = openRouteSocket(sandbox.netns)
  const link = findLink(socket, interfaceName)
  if (link !== null && mac !== '' && link.address !== mac) setLink(socket, link.index, { address: mac })
  const { index } = configureInterface(sandbox, {
    name: interfaceName,
    address4,
    address6,
    linkLocal,
    sysctls: endpoint.sysctls,
    gateway4: '',
    gateway6: '',
  })
  for (const { destination, nextHop } of joined.routes)
    setRoute(socket, { destination, gateway: nextHop, index })
  // Last: the way to it may be one of these routes.
  setDefaultRoutes(sandbox, {
    name: interfaceName,
    gateway4: endpoint.defaultRoute4 ? endpoint.gateway4 : '',
    gateway6: endpoint.defaultRoute6 ? endpoint.gateway6 : '',
  })
  return { ...link!, address: mac || link!.address }
}
