/** An interface inside a sandbox, brought into its wanted state. */
import { existsSync } from 'node:fs'
import { TsnetError } from '../errors.ts'
import { addAddress, addressAddition, removeAddress } from '../netlink/address.ts'
import { getLink, type Link, linkChange } from '../netlink/link.ts'
import type { Request } from '../netlink/message.ts'
import { routeSetting } from '../netlink/route.ts'
import { openRouteSocket, type RouteSocket } from '../netlink/socket.ts'
import type { Labels } from '../store/records.ts'
import { procSys } from '../sys/proc-sys.ts'
import { type Sandbox, writeSysctls } from './sandbox.ts'

export interface InterfaceSpec {
  /** Of a link that is in the sandbox already. */
  readonly name: string
  /** With prefix length, '' for none. */
  readonly address4: string
  readonly address6: string
  /** Further addresses, without prefix length. */
  readonly linkLocal: readonly string[]
  /** The sandbox's default routes through this interface: a next hop, '0.0.0.0' or '::' for the link itself, '' for none. */
  readonly gateway4: string
  readonly gateway6: string
  /** Below /proc/sys. */
  readonly sysctls: Labels
}

/**
 * Addresses the link, brings it up and routes through it; returns the link as it was found. Safe to repeat. Throws kind 'invalid'
 * when the kernel has no such sysctl or does not take its value.
 */
export function configureInterface(sandbox: Sandbox, spec: InterfaceSpec): Link {
  using socket = openRouteSocket(sandbox.netns)
  return configureLink(socket, sandbox, spec)
}

/** As `configureInterface`, by a socket to the sandbox's namespace. */
export function configureLink(socket: RouteSocket, sandbox: Sandbox, spec: InterfaceSpec): Link {
  const link = getLink(socket, spec.name)
  const linkLocal = spec.linkLocal.map(withPrefix)
  const addresses = [spec.address4, spec.address6, ...linkLocal].filter((address) => address !== '')
  switchIpv6(
    sandbox,
    spec.name,
    addresses.some((address) => address.includes(':')),
  )
  actTogether(
    socket,
    addresses.map((address) => addressAddition(link.index, address)),
  )
  applySysctls(sandbox, spec.sysctls)
  actTogether(socket, [linkChange(link.index, { up: true }), ...routesOut(link, spec)])
  return link
}

/** Sends changes in one message. Throws what the kernel says of the first that it refuses, after it has looked at all. */
function actTogether(socket: RouteSocket, changes: readonly Request[]): void {
  const [refusal] = socket.actAll(changes)
  if (refusal !== undefined) throw refusal.error
}

/** RFC 4291, 2.5.6; RFC 3927, 2.6.2. */
function withPrefix(address: string): string {
  return `${address}/${address.includes(':') ? 64 : 16}`
}

/** Exchanges an IPv4 address of an interface, either '' for none, and leads out through `gateway` unless that is ''. */
export function moveAddress(sandbox: Sandbox, name: string, from: string, to: string, gateway: string): void {
  using socket = openRouteSocket(sandbox.netns)
  const link = getLink(socket, name)
  if (from !== '' && from !== to) removeAddress(socket, link.index, from)
  if (to !== '') addAddress(socket, link.index, to)
  actTogether(socket, routesOut(link, { gateway4: gateway, gateway6: '' }))
}

/** Gives the sandbox default routes through an interface that it has, or leads those there are through it. */
export function setDefaultRoutes(
  sandbox: Sandbox,
  spec: Pick<InterfaceSpec, 'name' | 'gateway4' | 'gateway6'>,
): void {
  if (spec.gateway4 === '' && spec.gateway6 === '') return
  using socket = openRouteSocket(sandbox.netns)
  actTogether(socket, routesOut(getLink(socket, spec.name), spec))
}

function routesOut(
  { index }: Link,
  { gateway4, gateway6 }: Pick<InterfaceSpec, 'gateway4' | 'gateway6'>,
): Request[] {
  const routes = []
  if (gateway4 !== '') routes.push({ destination: '0.0.0.0/0', gateway: nextHop(gateway4), index })
  if (gateway6 !== '') routes.push({ destination: '::/0', gateway: nextHop(gateway6), index })
  return routes.map(routeSetting)
}

function nextHop(gateway: string): string {
  return gateway === '0.0.0.0' || gateway === '::' ? '' : gateway
}

/** As in Docker, an interface without an IPv6 address has no IPv6 at all, not even a link-local address. */
function switchIpv6(sandbox: Sandbox, name: string, enabled: boolean): void {
  if (!existsSync(`${procSys()}/net/ipv6`)) return
  writeSysctls(sandbox.netns, { [`net/ipv6/conf/${name}/disable_ipv6`]: enabled ? '0' : '1' })
}

function applySysctls(sandbox: Sandbox, sysctls: Labels): void {
  for (const [path, value] of Object.entries(sysctls)) {
    try {
      writeSysctls(sandbox.netns, { [path]: value })
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      const why = code === 'ENOENT' || code === 'EACCES' ? 'is not a sysctl file' : `does not take '${value}'`
      throw new TsnetError('invalid', 'bad-sysctl', `/proc/sys/${path} ${why} (${code})`, { cause: error })
    }
  }
}
