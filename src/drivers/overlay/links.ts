/** The port of an overlay network's bridge that leads to the other hosts: a VXLAN device that does what it is told and learns nothing. */
import { TsnetError } from '../../errors.ts'
import { isNetlinkError } from '../../netlink/error.ts'
import { type BridgePortSettings, readBridgePort, setBridgePort } from '../../netlink/kinds/bridge.ts'
import { decodeVxlan, type VxlanSettings, vxlan } from '../../netlink/kinds/vxlan.ts'
import { createLink, findLink, getLink, isUp, type Link, listLinks, setLink } from '../../netlink/link.ts'
import { removeLink } from '../../netlink/link-removal.ts'
import type { RouteSocket } from '../../netlink/socket.ts'
import type { NetworkRecord } from '../../store/records.ts'
import { vxlanName } from '../../values/interface-name.ts'
import { switchOffIpv6 } from '../bridging/ports.ts'
import { tagOf } from '../link-tags.ts'

/** IANA's number for VXLAN. */
const vxlanPort = 4789

export interface VxlanSpec {
  /** Begins the aliases of the driver's links. */
  readonly mark: string
  readonly network: NetworkRecord
  readonly vni: number
  /** The address that packets to the other hosts come from. */
  readonly local: string
  /** The index of the link by which they go, 0 for any. */
  readonly through: number
  /** The network's bridge. */
  readonly master: Link
  /** Whether containers of other hosts are out of reach, as all neighbours are. */
  readonly isolated: boolean
}

export interface VxlanDevice {
  readonly index: number
  /** Made now: it has no entries yet. */
  readonly fresh: boolean
}

/** Makes the device or completes it; what is right already stays untouched. */
export async function ensureVxlan(socket: RouteSocket, spec: VxlanSpec): Promise<VxlanDevice> {
  const present = findVxlan(socket, spec)
  const isRight = present !== null && settingFaults(present, spec).length === 0
  if (present !== null && !isRight) await removeLink(present.index)
  const link = isRight ? present : createVxlan(socket, spec)
  if (portFaults(socket, link, spec).length > 0) joinAsPort(socket, link, spec)
  return { index: link.index, fresh: !isRight }
}

/** What is wrong with the device, in words. */
export function vxlanFaults(socket: RouteSocket, spec: VxlanSpec): string[] {
  const link = findVxlan(socket, spec)
  if (link === null) return [`link ${vxlanName(spec.network.id)} to the other hosts was gone`]
  return [...settingFaults(link, spec), ...portFaults(socket, link, spec)]
}

/** Safe to repeat. */
export async function removeVxlan(socket: RouteSocket, mark: string, network: NetworkRecord): Promise<void> {
  const link = findLink(socket, vxlanName(network.id))
  if (link?.kind === 'vxlan' && isOwn(link, mark, network)) await removeLink(link.index)
}

/** Without alias and master its creation was cut short. */
function isOwn(link: Link, mark: string, network: NetworkRecord): boolean {
  return link.alias === tagOf(mark, network.id) || (link.alias === '' && link.master === 0)
}

function findVxlan(socket: RouteSocket, { mark, network }: VxlanSpec): Link | null {
  const link = findLink(socket, vxlanName(network.id))
  if (link === null || (link.kind === 'vxlan' && isOwn(link, mark, network))) return link
  throw new TsnetError(
    'conflict',
    'interface-taken',
    `network ${network.name}: interface ${link.name} exists and is not the network's: remove it`,
  )
}

/**
 * That outer packets may be cut, the kernel's default, is a net below the MTU: where br_netfilter is loaded, a bridge loses the messages by which
 * a sender would hear that they must not be (seen with Linux 6.18).
 */
function settingsOf({ vni, local, through }: VxlanSpec): VxlanSettings {
  return { vni, local, link: through, port: vxlanPort, learning: false }
}

function createVxlan(socket: RouteSocket, spec: VxlanSpec): Link {
  const name = vxlanName(spec.network.id)
  const { mtu } = spec.master
  try {
    createLink(socket, { name, kind: vxlan(settingsOf(spec)), mtu })
  } catch (error) {
    throw isNetlinkError(error, 'EEXIST') ? vniTaken(socket, spec) : error
  }
  switchOffIpv6(name)
  return getLink(socket, name)
}

function vniTaken(socket: RouteSocket, { vni, network }: VxlanSpec): TsnetError {
  const holder = listLinks(socket, 'vxlan').find(({ data }) => decodeVxlan(data).vni === vni)
  return new TsnetError(
    'conflict',
    'vni-in-use',
    `network ${network.name}: VNI ${vni} is in use on this host by interface ${holder?.name ?? 'of another namespace'}: remove that, or make the network with another VNI`,
  )
}

/** What only a new device can have. */
function settingFaults(link: Link, spec: VxlanSpec): string[] {
  const wanted = settingsOf(spec)
  const present = decodeVxlan(link.data)
  return (Object.keys(wanted) as (keyof VxlanSettings)[])
    .filter((name) => present[name] !== wanted[name])
    .map((name) => `link ${link.name} had ${name} ${present[name]} instead of ${wanted[name]}`)
}

/** Frames go to other hosts that are for one of their containers, and no others. */
function portSettings({ isolated }: VxlanSpec): BridgePortSettings {
  return {
    hairpin: false,
    isolated,
    learning: false,
    unicastFlood: false,
    multicastFlood: false,
    broadcastFlood: false,
    answersNeighbours: true,
  }
}

function portFaults(socket: RouteSocket, link: Link, spec: VxlanSpec): string[] {
  const { mark, network, master } = spec
  const { name } = link
  const present = readBridgePort(socket, link.index)
  const wrong = Object.entries(portSettings(spec)).filter(
    ([setting, value]) => present[setting as keyof BridgePortSettings] !== value,
  )
  return [
    ...(link.alias === tagOf(mark, network.id) ? [] : [`link ${name} was without its alias`]),
    ...(isUp(link) ? [] : [`link ${name} was down`]),
    ...(link.mtu === master.mtu ? [] : [`link ${name} had an MTU of ${link.mtu} instead of ${master.mtu}`]),
    ...(link.master === master.index
      ? wrong.map(([setting, value]) => `link ${name} had ${setting} ${!value} instead of ${value}`)
      : [`link ${name} had left bridge ${master.name}`]),
  ]
}

/** It comes up last: not one frame is flooded. */
function joinAsPort(socket: RouteSocket, link: Link, spec: VxlanSpec): void {
  const { mark, network, master } = spec
  setLink(socket, link.index, { alias: tagOf(mark, network.id), master: master.index, mtu: master.mtu })
  setBridgePort(socket, link.index, portSettings(spec))
  setLink(socket, link.index, { up: true })
  // To be asked makes the kernel look at their carriers now: the network has one from here on, whatever comes and goes.
  for (const index of [link.index, master.index]) getLink(socket, index)
}
