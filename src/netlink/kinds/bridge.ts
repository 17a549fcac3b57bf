/** Bridges and their ports (net/bridge/br_netlink.c). */
import {
  IFLA_BR_MCAST_SNOOPING,
  IFLA_BR_STP_STATE,
  IFLA_BRPORT_BCAST_FLOOD,
  IFLA_BRPORT_FLUSH,
  IFLA_BRPORT_ISOLATED,
  IFLA_BRPORT_LEARNING,
  IFLA_BRPORT_LOCKED,
  IFLA_BRPORT_MCAST_FLOOD,
  IFLA_BRPORT_MODE,
  IFLA_BRPORT_NEIGH_SUPPRESS,
  IFLA_BRPORT_UNICAST_FLOOD,
  IFLA_INFO_SLAVE_DATA,
  IFLA_LINKINFO,
  IFLA_PROTINFO,
} from '../../sys/constants/if_link.ts'
import { RTM_SETLINK } from '../../sys/constants/rtnetlink.ts'
import { AF_BRIDGE } from '../../sys/constants/socket.ts'
import {
  type Attributes,
  attribute,
  attributeNested,
  attributeU8,
  attributeU32,
  decodeAttributes,
  nestedAttributes,
  numberAttribute,
} from '../attribute.ts'
import { askLink, ifinfomsg, type LinkKind } from '../link.ts'
import type { RouteSocket } from '../socket.ts'

export interface BridgeSettings {
  /** Whether the bridge speaks the spanning tree protocol. */
  readonly stp: boolean
  /** Whether it follows who has joined which group, to send a group's frames to those alone: left to the kernel, it does. */
  readonly multicastSnooping?: boolean
}

/** What is left out stays as it is. */
export interface BridgePortSettings {
  /** Whether a frame may leave by the port through which it came. */
  readonly hairpin?: boolean
  /** Isolated ports of a bridge exchange no frames with each other, only with the bridge itself. Linux 4.18. */
  readonly isolated?: boolean
  /** Frames come in only from addresses of which a forwarding entry says that they are here. Linux 5.16; before it means nothing. */
  readonly locked?: boolean
  /** Whether it is noted from which addresses frames come in. */
  readonly learning?: boolean
  /** Whether frames of other ports go out that are for an unknown address, for several, for all. */
  readonly unicastFlood?: boolean
  readonly multicastFlood?: boolean
  readonly broadcastFlood?: boolean
  /** Whether the bridge answers for those behind the port whom its host knows as neighbours (ARP, ND), and asks nobody there. */
  readonly answersNeighbours?: boolean
}

const portAttributes: Readonly<Record<keyof BridgePortSettings, number>> = {
  hairpin: IFLA_BRPORT_MODE,
  isolated: IFLA_BRPORT_ISOLATED,
  locked: IFLA_BRPORT_LOCKED,
  learning: IFLA_BRPORT_LEARNING,
  unicastFlood: IFLA_BRPORT_UNICAST_FLOOD,
  multicastFlood: IFLA_BRPORT_MCAST_FLOOD,
  broadcastFlood: IFLA_BRPORT_BCAST_FLOOD,
  answersNeighbours: IFLA_BRPORT_NEIGH_SUPPRESS,
}

const portSettings = Object.keys(portAttributes) as (keyof BridgePortSettings)[]

export function bridge(settings: BridgeSettings): LinkKind {
  const { stp, multicastSnooping } = settings
  const data = [attributeU32(IFLA_BR_STP_STATE, Number(stp))]
  if (multicastSnooping !== undefined) {
    data.push(attributeU8(IFLA_BR_MCAST_SNOOPING, Number(multicastSnooping)))
  }
  return { name: 'bridge', data: Buffer.concat(data) }
}

/** The settings of an existing bridge, from its Link's `data`. */
export function decodeBridge(data: Attributes): BridgeSettings {
  return {
    stp: (numberAttribute(data, IFLA_BR_STP_STATE) ?? 0) !== 0,
    multicastSnooping: (numberAttribute(data, IFLA_BR_MCAST_SNOOPING) ?? 0) !== 0,
  }
}

/** The body of the RTM_SETLINK that sets up the port `index`. */
export function encodeBridgePort(index: number, settings: BridgePortSettings): Buffer {
  const given = portSettings.filter((name) => settings[name] !== undefined)
  return Buffer.concat([
    ifinfomsg.encode({ family: AF_BRIDGE, index }),
    attributeNested(
      IFLA_PROTINFO,
      ...given.map((name) => attributeU8(portAttributes[name], Number(settings[name]))),
      // what it has learned would let them in still
      ...(settings.locked === true ? [attribute(IFLA_BRPORT_FLUSH, Buffer.alloc(0))] : []),
    ),
  ])
}

/** The settings of a bridge's port; none for a link that is no port. */
export function readBridgePort(socket: RouteSocket, index: number): BridgePortSettings {
  const info = nestedAttributes(decodeAttributes(askLink(socket, index).body, ifinfomsg.size), IFLA_LINKINFO)
  const data = nestedAttributes(info, IFLA_INFO_SLAVE_DATA)
  return Object.fromEntries(
    portSettings.flatMap((name) => {
      const value = numberAttribute(data, portAttributes[name])
      return value === null ? [] : [[name, value !== 0]]
    }),
  )
}

/** Sets up a link that is a bridge's port already. */
export function setBridgePort(socket: RouteSocket, index: number, settings: BridgePortSettings): void {
  const body = encodeBridgePort(index, settings)
  socket.act({ type: RTM_SETLINK, flags: 0, body, subject: `bridge port ${index}` })
}
