/** An interface inside a sandbox, brought into its wanted state. */
import { existsSync } from 'node:fs'
import { addAddress } from '../netlink/address.ts'
import { getLink, type Link, setLink } from '../netlink/link.ts'
import { setRoute } from '../netlink/route.ts'
import { openRouteSocket, type RouteSocket } from '../netlink/socket.ts'
import { type Sandbox, writeSysctls } from './sandbox.ts'

export interface InterfaceSpec {
  /** Of a link that is in the sandbox already. */
  readonly name: string
  /** With prefix length, '' for none. */
  readonly address4: string
  readonly address6: string
  /** The sandbox's default routes through this interface, '' for none. */
  readonly gateway4: string
  readonly gateway6: string
}

/** Addresses the link, brings it up and routes through it; returns the link as it was found. Safe to repeat. */
export function configureInterface(sandbox: Sandbox, spec: InterfaceSpec): Link {
  using socket = openRouteSocket(sandbox.netns)
  const link = getLink(socket, spec.name)
  switchIpv6(sandbox, spec)
  if (spec.address4 !== '') addAddress(socket, link.index, spec.address4)
  if (spec.address6 !== '') addAddress(socket, link.index, spec.address6)
  setLink(socket, link.index, { up: true })
  routeOut(socket, link, spec)
  return link
}

/** Gives the sandbox default routes through an interface that it has, or leads those there are through it. */
export function setDefaultRoutes(
  sandbox: Sandbox,
  spec: Pick<InterfaceSpec, 'name' | 'gateway4' | 'gateway6'>,
): void {
  if (spec.gateway4 === '' && spec.gateway6 === '') return
  using socket = openRouteSocket(sandbox.netns)
  routeOut(socket, getLink(socket, spec.name), spec)
}

function routeOut(
  socket: RouteSocket,
  { index }: Link,
  { gateway4, gateway6 }: Pick<InterfaceSpec, 'gateway4' | 'gateway6'>,
): void {
  if (gateway4 !== '') setRoute(socket, { destination: '0.0.0.0/0', gateway: gateway4, index })
  if (gateway6 !== '') setRoute(socket, { destination: '::/0', gateway: gateway6, index })
}

/** As in Docker, an interface without an IPv6 address has no IPv6 at all, not even a link-local address. */
function switchIpv6(sandbox: Sandbox, spec: InterfaceSpec): void {
  if (!existsSync('/proc/sys/net/ipv6')) return
  const disabled = spec.address6 === '' ? '1' : '0'
  writeSysctls(sandbox.netns, { [`net/ipv6/conf/${spec.name}/disable_ipv6`]: disabled })
}
