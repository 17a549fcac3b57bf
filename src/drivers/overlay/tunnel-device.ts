/** The kernel's side of the tunnel: the WireGuard device with its address, its key and its peers. */
import { existsSync, writeFileSync } from 'node:fs'
import { TsnetError } from '../../errors.ts'
import { addAddress, listAddresses, removeAddress } from '../../netlink/address.ts'
import { isNetlinkError } from '../../netlink/error.ts'
import { wireguard } from '../../netlink/kinds/wireguard.ts'
import { createLink, findLink, getLink, isUp, type Link, setLink } from '../../netlink/link.ts'
import { removeLink } from '../../netlink/link-removal.ts'
import type { RouteSocket } from '../../netlink/socket.ts'
import {
  readWireguard,
  setWireguard,
  type WireguardDevice,
  type WireguardPeer,
} from '../../netlink/wireguard.ts'
import { procSys } from '../../sys/proc-sys.ts'
import { tagOf } from '../link-tags.ts'
import type { KeyPair } from './keys.ts'
import { comparePeers, describePeers, tunnelPort } from './tunnel-peers.ts'

export interface TunnelSpec {
  /** Begins the aliases of the driver's links. */
  readonly mark: string
  readonly name: string
  /** This host's in the tunnel. */
  readonly address: string
  /** bytes */
  readonly mtu: number
  readonly key: KeyPair
  readonly peers: readonly WireguardPeer[]
  /** Whether these are all. */
  readonly isWhole: boolean
}

/** Makes the device or completes it; what is right already stays untouched. Returns its index. */
export function ensureTunnel(socket: RouteSocket, spec: TunnelSpec): number {
  const link = findTunnel(socket, spec) ?? createTunnel(socket, spec)
  const { index } = link
  const { mark, address } = spec
  const alias = tagOf(mark, 'tunnel')
  const mtu = wantedMtu(spec, link)
  if (link.alias !== alias || link.mtu !== mtu) setLink(socket, index, { alias, mtu })
  const present = addressesOf(socket, link)
  if (!present.includes(ownCidr(address))) addAddress(socket, index, ownCidr(address))
  for (const cidr of present) if (cidr !== ownCidr(address)) removeAddress(socket, index, cidr)
  try {
    completeKeys(index, spec)
    if (!isUp(link)) setLink(socket, index, { up: true })
  } catch (error) {
    throw isNetlinkError(error, 'EADDRINUSE') ? portTaken() : error
  }
  return index
}

function completeKeys(index: number, { key, peers, isWhole }: TunnelSpec): void {
  const present = readWireguard(index)
  const isOtherKey = present.publicKey !== key.publicKey
  const { changes } = comparePeers(present, peers, isWhole)
  const change = {
    ...(isOtherKey ? { privateKey: key.privateKey } : {}),
    ...(present.port === tunnelPort ? {} : { port: tunnelPort }),
    ...(changes.length === 0 ? {} : { peers: changes }),
  }
  if (Object.keys(change).length > 0) setWireguard(index, change)
}

/** What is wrong with the device, in words. */
export function tunnelFaults(socket: RouteSocket, spec: TunnelSpec): string[] {
  const { name, mark, address, key, peers, isWhole } = spec
  const link = findTunnel(socket, spec)
  if (link === null) return [`link ${name} to the other hosts was gone`]
  const present = readWireguard(link.index)
  const mtu = wantedMtu(spec, link)
  return [
    ...(link.alias === tagOf(mark, 'tunnel') ? [] : [`link ${name} was without its alias`]),
    ...(isUp(link) ? [] : [`link ${name} was down`]),
    ...(link.mtu === mtu ? [] : [`link ${name} had an MTU of ${link.mtu} instead of ${mtu}`]),
    ...(addressesOf(socket, link).join() === ownCidr(address)
      ? []
      : [`link ${name} had other addresses than its own`]),
    ...keyFaults(name, present, key),
    ...describePeers(comparePeers(present, peers, isWhole)),
  ]
}

/** Before all hosts are known, what an earlier daemon knew of them stands in the device. */
function wantedMtu({ mtu, isWhole }: TunnelSpec, present: Link): number {
  return isWhole ? mtu : Math.min(mtu, present.mtu)
}

function keyFaults(name: string, { publicKey, port }: WireguardDevice, key: KeyPair): string[] {
  return [
    ...(publicKey === key.publicKey ? [] : [`link ${name} had another key`]),
    ...(port === tunnelPort ? [] : [`link ${name} had UDP port ${port} instead of ${tunnelPort}`]),
  ]
}

/** Safe to repeat. What stands on it goes with it. */
export async function removeTunnel(
  socket: RouteSocket,
  spec: Pick<TunnelSpec, 'mark' | 'name'>,
): Promise<void> {
  const link = findLink(socket, spec.name)
  if (link !== null && isOwn(link, spec)) await removeLink(link.index)
}

/** Without alias its creation was cut short. */
function isOwn({ kind, alias }: Link, { mark }: Pick<TunnelSpec, 'mark'>): boolean {
  return kind === 'wireguard' && (alias === tagOf(mark, 'tunnel') || alias === '')
}

function findTunnel(socket: RouteSocket, spec: TunnelSpec): Link | null {
  const link = findLink(socket, spec.name)
  if (link === null || isOwn(link, spec)) return link
  throw new TsnetError(
    'conflict',
    'interface-taken',
    `interface ${link.name} exists and is not the tunnel of encrypted networks: remove it`,
  )
}

function createTunnel(socket: RouteSocket, { name, mtu }: TunnelSpec): Link {
  createLink(socket, { name, kind: wireguard(), mtu })
  // The other hosts are not to change this one's routes.
  for (const [setting, value] of [
    ['disable_ipv6', '0'],
    ['accept_ra', '0'],
  ] as const)
    writeSetting(name, setting, value)
  return getLink(socket, name)
}

function writeSetting(name: string, setting: string, value: string): void {
  const path = `${procSys()}/net/ipv6/conf/${name}/${setting}`
  if (existsSync(path)) writeFileSync(path, value)
}

function addressesOf(socket: RouteSocket, { index }: Link): string[] {
  return listAddresses(socket, index).map(({ cidr }) => cidr)
}

function ownCidr(address: string): string {
  return `${address}/64`
}

function portTaken(): TsnetError {
  return new TsnetError(
    'conflict',
    'tunnel-port-taken',
    `UDP port ${tunnelPort} of this host, by which encrypted packets of other hosts come, is in use: end what uses it`,
  )
}
