/**
 * Asks the kernel for network features by netlink requests in a throw-away namespace. The answer is told from the errno
 * alone: a request that is understood may fail for other reasons. Modules are loaded by the kernel on the way.
 */

import { IFLA_INFO_KIND, IFLA_LINKINFO } from './constants/if_link.ts'
import {
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REQUEST,
  NLMSG_ERROR,
} from './constants/netlink.ts'
import { NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN } from './constants/nf_tables.ts'
import { RTM_NEWLINK } from './constants/rtnetlink.ts'
import { AF_UNSPEC } from './constants/socket.ts'
import { errnoName, SyscallError } from './errno.ts'
import type { Fd } from './fd.ts'
import { struct, u16, u32 } from './layout.ts'
import { openNetlinkSocket, receiveNetlink, sendNetlink } from './netlink-socket.ts'
import { inNewNetns } from './netns.ts'

const nlmsghdr = struct({ length: u32, type: u16, flags: u16, sequence: u32, port: u32 })
const ifinfomsgBytes = 16

/** Whether links of a kind (`bridge`, `veth` …) can be made: an unknown kind is EOPNOTSUPP. */
export function hasLinkKind(kind: string): boolean {
  const info = attribute(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, Buffer.from(`${kind}\0`)))
  const body = Buffer.concat([Buffer.alloc(ifinfomsgBytes), info])
  const flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
  return askInNewNetns(NETLINK_ROUTE, RTM_NEWLINK, flags, body) !== 'EOPNOTSUPP'
}

/** Whether nf_tables answers: nfnetlink says EINVAL to a subsystem that is not there, and may itself be missing. */
export function hasNftables(): boolean {
  // struct nfgenmsg: family, version, two bytes of resource id
  const nfgenmsg = Buffer.from([AF_UNSPEC, 0, 0, 0])
  const type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN
  return askInNewNetns(NETLINK_NETFILTER, type, NLM_F_REQUEST, nfgenmsg) === ''
}

/** The errno's name with which the kernel answers, '' for none. */
function askInNewNetns(protocol: number, type: number, flags: number, body: Buffer): string {
  return inNewNetns(() => {
    using socket = openSocket(protocol)
    if (socket === null) return 'EPROTONOSUPPORT'
    const header = nlmsghdr.encode({ length: nlmsghdr.size + body.length, type, flags, sequence: 1, port: 0 })
    sendNetlink(socket, Buffer.concat([header, body]))
    const answer = receiveNetlink(socket)
    if (answer === null || nlmsghdr.read(answer, 0).type !== NLMSG_ERROR) return ''
    const errno = -answer.readInt32LE(nlmsghdr.size)
    return errno === 0 ? '' : errnoName(errno)
  })
}

/** Null when the kernel lacks the protocol. */
function openSocket(protocol: number): Fd | null {
  try {
    return openNetlinkSocket(protocol)
  } catch (error) {
    if (error instanceof SyscallError && error.errnoName === 'EPROTONOSUPPORT') return null
    throw error
  }
}

/** struct rtattr: length and type, then the value, padded to four bytes. */
function attribute(type: number, value: Buffer): Buffer {
  const length = 4 + value.length
  const bytes = Buffer.alloc(Math.ceil(length / 4) * 4)
  bytes.writeUInt16LE(length, 0)
  bytes.writeUInt16LE(type, 2)
  value.copy(bytes, 4)
  return bytes
}
