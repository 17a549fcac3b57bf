/**
 * Forwarding entries, hardware address to port: RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH of PF_BRIDGE (rtnetlink(7), net/bridge/br_fdb.c,
 * drivers/net/vxlan/). A port that is a VXLAN device has a table of its own beside its bridge's: which host an address is behind.
 */
import {
  NDA_DST,
  NDA_IFINDEX,
  NDA_LLADDR,
  NDA_MASTER,
  NTF_MASTER,
  NTF_SELF,
  NTF_STICKY,
  NUD_NOARP,
  NUD_REACHABLE,
} from '../sys/constants/neighbour.ts'
import { NLM_F_CREATE, NLM_F_REPLACE } from '../sys/constants/netlink.ts'
import { RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH } from '../sys/constants/rtnetlink.ts'
import { AF_BRIDGE } from '../sys/constants/socket.ts'
import { formatIp, parseIp } from '../values/ip.ts'
import { formatMac, parseMac } from '../values/mac.ts'
import { attribute, attributeU32, decodeAttributes } from './attribute.ts'
import type { Request } from './message.ts'
import { ndmsg } from './neighbour.ts'
import type { RouteSocket } from './socket.ts'

export interface Forwarding {
  /** The port's index. */
  readonly port: number
  readonly mac: string
  /** Whose table it is in: the bridge's, or the port's own. */
  readonly table: 'bridge' | 'port'
  /** The host that a VXLAN device sends to, '' for none. */
  readonly via: string
  /** Neither learned from traffic, nor forgotten. */
  readonly fixed: boolean
}

/** Makes the bridge know for good that a hardware address is behind a port; it goes with the port. */
export function setForwarding(socket: RouteSocket, port: number, mac: string): void {
  const header = ndmsg.encode({ family: AF_BRIDGE, ifindex: port, state: NUD_NOARP, flags: NTF_MASTER })
  socket.act({
    type: RTM_NEWNEIGH,
    flags: NLM_F_CREATE | NLM_F_REPLACE,
    body: Buffer.concat([header, attribute(NDA_LLADDR, parseMac(mac))]),
    subject: `${mac} behind port ${port}`,
  })
}

/**
 * Makes a bridge know that a hardware address is behind its VXLAN port, and the port that it is behind the host `via`, in place of what
 * they knew. No traffic of other ports takes it away (NTF_STICKY). A link-local address is one of the link `through`, else 0.
 */
export function remoteForwarding(port: number, mac: string, via: string, through = 0): Request {
  // To the bridge NOARP says that the entry is static, where PERMANENT would make it the bridge's own; VXLAN wants one of the others.
  const state = NUD_NOARP | NUD_REACHABLE
  const flags = NTF_SELF | NTF_MASTER | NTF_STICKY
  return {
    type: RTM_NEWNEIGH,
    flags: NLM_F_CREATE | NLM_F_REPLACE,
    body: Buffer.concat([
      ndmsg.encode({ family: AF_BRIDGE, ifindex: port, state, flags }),
      attribute(NDA_LLADDR, parseMac(mac)),
      attribute(NDA_DST, parseIp(via)),
      ...(through === 0 ? [] : [attributeU32(NDA_IFINDEX, through)]),
    ]),
    subject: `${mac} behind ${via} by port ${port}`,
  }
}

/** Takes a hardware address out of a port's tables. The kernel refuses it with ENOENT when it is not there. */
export function forwardingRemoval(port: number, mac: string, table: Forwarding['table']): Request {
  const flags = table === 'port' ? NTF_SELF : NTF_MASTER
  return {
    type: RTM_DELNEIGH,
    flags: 0,
    body: Buffer.concat([
      ndmsg.encode({ family: AF_BRIDGE, ifindex: port, flags }),
      attribute(NDA_LLADDR, parseMac(mac)),
    ]),
    subject: `${mac} behind port ${port}`,
  }
}

/** Reads the body of RTM_NEWNEIGH or RTM_DELNEIGH of PF_BRIDGE. */
export function decodeForwarding(body: Buffer): Forwarding {
  const { ifindex, state } = ndmsg.decode(body)
  const attributes = decodeAttributes(body, ndmsg.size)
  const via = attributes.get(NDA_DST)
  return {
    port: ifindex,
    mac: formatMac(attributes.get(NDA_LLADDR) ?? Buffer.alloc(0)),
    table: attributes.has(NDA_MASTER) ? 'bridge' : 'port',
    via: via === undefined ? '' : formatIp(via),
    fixed: (state & NUD_NOARP) !== 0,
  }
}

/** The question for what a bridge and its port know of addresses behind the port. */
export function forwardingOf(port: number): Request {
  const body = ndmsg.encode({ family: AF_BRIDGE, ifindex: port })
  return { type: RTM_GETNEIGH, flags: 0, body, subject: `all behind port ${port}` }
}
