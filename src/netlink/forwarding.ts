/** Forwarding entries of a bridge, hardware address to port: RTM_NEWNEIGH of PF_BRIDGE (rtnetlink(7), net/bridge/br_fdb.c). */
import { NDA_LLADDR, NTF_MASTER, NUD_NOARP } from '../sys/constants/neighbour.ts'
import { NLM_F_CREATE, NLM_F_REPLACE } from '../sys/constants/netlink.ts'
import { RTM_NEWNEIGH } from '../sys/constants/rtnetlink.ts'
import { AF_BRIDGE } from '../sys/constants/socket.ts'
import { parseMac } from '../values/mac.ts'
import { attribute } from './attribute.ts'
import { ndmsg } from './neighbour.ts'
import type { RouteSocket } from './socket.ts'

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
