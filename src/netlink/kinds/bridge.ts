/** Bridges and their ports (net/bridge/br_netlink.c). */
import {
  IFLA_BR_STP_STATE,
  IFLA_BRPORT_FLUSH,
  IFLA_BRPORT_ISOLATED,
  IFLA_BRPORT_LOCKED,
  IFLA_BRPORT_MODE,
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
  numberAttribute,
} from '../attribute.ts'
import { ifinfomsg, type LinkKind } from '../link.ts'
import type { RouteSocket } from '../socket.ts'

export interface BridgeSettings {
  /** Whether the bridge speaks the spanning tree protocol. */
  readonly stp: boolean
}

export interface BridgePortSettings {
  /** Isolated ports of a bridge exchange no frames with each other, only with the bridge itself. Linux 4.18. */
  readonly isolated: boolean
  /** Whether a frame may leave by the port through which it came. */
  readonly hairpin: boolean
  /** Frames come in only from addresses of which a forwarding entry says that they are here. Linux 5.16; before it means nothing. */
  readonly locked: boolean
}

export function bridge(settings: BridgeSettings): LinkKind {
  return { name: 'bridge', data: attributeU32(IFLA_BR_STP_STATE, Number(settings.stp)) }
}

/** The settings of an existing bridge, from its Link's `data`. */
export function decodeBridge(data: Attributes): BridgeSettings {
  return { stp: (numberAttribute(data, IFLA_BR_STP_STATE) ?? 0) !== 0 }
}

/** The body of the RTM_SETLINK that sets up the port `index`. */
export function encodeBridgePort(index: number, settings: BridgePortSettings): Buffer {
  return Buffer.concat([
    ifinfomsg.encode({ family: AF_BRIDGE, index }),
    attributeNested(
      IFLA_PROTINFO,
      attributeU8(IFLA_BRPORT_MODE, Number(settings.hairpin)),
      attributeU8(IFLA_BRPORT_ISOLATED, Number(settings.isolated)),
      attributeU8(IFLA_BRPORT_LOCKED, Number(settings.locked)),
      // what it has learned would let them in still
      ...(settings.locked ? [attribute(IFLA_BRPORT_FLUSH, Buffer.alloc(0))] : []),
    ),
  ])
}

/** Sets up a link that is a bridge's port already. */
export function setBridgePort(socket: RouteSocket, index: number, settings: BridgePortSettings): void {
  const body = encodeBridgePort(index, settings)
  socket.act({ type: RTM_SETLINK, flags: 0, body, subject: `bridge port ${index}` })
}
