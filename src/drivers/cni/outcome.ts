/** What a list's plugins have made of an endpoint, brought into agreement with what was wanted. */
import { type CniResult, parseResult } from '../../cni/result.ts'
import { TsnetError } from '../../errors.ts'
import { findLink, type Link, setLink } from '../../netlink/link.ts'
import { listRoutes, removeRoute } from '../../netlink/route.ts'
import { openRouteSocket } from '../../netlink/socket.ts'
import { configureInterface } from '../../sandbox/interface.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { parseCidr } from '../../values/cidr.ts'
import type { Attachment, EndpointSpec } from '../driver.ts'

/** Reads the last plugin's result. Throws kind 'conflict' when it gives another address than was wanted. */
export function readOutcome(
  plugin: string,
  json: unknown,
  endpoint: EndpointSpec,
  sandbox: Sandbox,
): Attachment {
  const result = parseResult(plugin, json)
  const own = ownAddresses(result, sandbox)
  const pick = (family: 4 | 6) => own.find(({ address }) => address.includes(':') === (family === 6))
  const [four, six] = [pick(4), pick(6)]
  for (const [wanted, given] of [
    [endpoint.address4, four?.address],
    [endpoint.address6, six?.address],
  ] as const) {
    if (wanted !== '' && bare(wanted) !== bare(given ?? '')) throw otherAddress(plugin, wanted, given)
  }
  const { interfaceName } = endpoint
  const told = result.interfaces.find(({ name, sandbox: place }) => name === interfaceName && place !== '')
  const routes = result.routes.filter(({ dst }) => parseCidr(dst).prefix > 0)
  return {
    interfaceName,
    mac: told?.mac ?? '',
    address4: four?.address ?? '',
    address6: six?.address ?? '',
    gateway4: four?.gateway ?? '',
    gateway6: six?.gateway ?? '',
    routes: routes.map(({ dst, gw }) => ({ destination: dst, nextHop: gw })),
    dns: result.dns,
  }
}

/** Those of interfaces in the sandbox; the host's ends have some too. */
function ownAddresses({ ips, interfaces }: CniResult, sandbox: Sandbox): CniResult['ips'] {
  return ips.filter(({ interface: index }) => {
    const place = index === null ? sandbox.path : interfaces[index]?.sandbox
    return place !== undefined && place !== ''
  })
}

function bare(address: string): string {
  return address.split('/', 1)[0] ?? ''
}

function otherAddress(plugin: string, wanted: string, given = 'none'): TsnetError {
  return new TsnetError(
    'conflict',
    'cni-address',
    `CNI plugin ${plugin}: address ${bare(wanted)} was asked for and ${given} was given: its address plugin takes no wishes`,
  )
}

/** Does what plugins do not: further addresses, sysctls, the hardware address, the choice among ways out. Returns what it is now. */
export function completeOutcome(sandbox: Sandbox, endpoint: EndpointSpec, made: Attachment): Attachment {
  const { interfaceName, linkLocal, sysctls, mac } = endpoint
  using socket = openRouteSocket(sandbox.netns)
  const link = findLink(socket, interfaceName)
  // A list may do without an interface, such as one of loopback alone.
  if (link === null) return made
  if (mac !== '' && link.address !== mac) setLink(socket, link.index, { address: mac })
  if (linkLocal.length > 0 || Object.keys(sysctls).length > 0) {
    const { address4, address6 } = made
    const ways = { gateway4: '', gateway6: '' }
    configureInterface(sandbox, { name: interfaceName, address4, address6, linkLocal, sysctls, ...ways })
  }
  leaveWays(sandbox, endpoint, link)
  return { ...made, mac: mac || link.address }
}

/** The default routes of an endpoint that is not to lead out are taken away: another one's are. */
function leaveWays(sandbox: Sandbox, { defaultRoute4, defaultRoute6 }: EndpointSpec, { index }: Link): void {
  using socket = openRouteSocket(sandbox.netns)
  for (const [family, isWanted] of [
    [4, defaultRoute4],
    [6, defaultRoute6],
  ] as const) {
    if (isWanted) continue
    for (const route of listRoutes(socket, family)) {
      if (route.index === index && parseCidr(route.destination).prefix === 0) removeRoute(socket, route)
    }
  }
}
