/** Generic netlink: families of messages that subsystems bring themselves, found by their names (net/netlink/genetlink.c). */
import {
  CTRL_ATTR_FAMILY_ID,
  CTRL_ATTR_FAMILY_NAME,
  CTRL_CMD_GETFAMILY,
  GENL_ID_CTRL,
} from '../sys/constants/genetlink.ts'
import { NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GENERIC } from '../sys/constants/netlink.ts'
import { struct, u8, u16 } from '../sys/layout.ts'
import { openNetlinkSocket, setNetlinkOption } from '../sys/netlink-socket.ts'
import { attributeString, decodeAttributes, numberAttribute } from './attribute.ts'
import { isNetlinkError } from './error.ts'
import type { Request } from './message.ts'
import { RouteSocket } from './socket.ts'

export const genlmsghdr = struct({ cmd: u8, version: u8, reserved: u16 })

export interface GenericCommand {
  /** The family's number, of `findFamily`. */
  readonly family: number
  readonly command: number
  readonly version: number
  /** Encoded attributes. */
  readonly attributes: readonly Buffer[]
  /** The command and its object, for error messages. */
  readonly subject: string
}

/** A socket to the thread's network namespace for requests of `genericRequest`. */
export function openGenericSocket(): RouteSocket {
  const fd = openNetlinkSocket(NETLINK_GENERIC)
  setNetlinkOption(fd, NETLINK_EXT_ACK, 1)
  setNetlinkOption(fd, NETLINK_CAP_ACK, 1)
  return new RouteSocket(fd)
}

export function genericRequest({ family, command, version, attributes, subject }: GenericCommand): Request {
  const header = genlmsghdr.encode({ cmd: command, version })
  return { type: family, flags: 0, body: Buffer.concat([header, ...attributes]), name: 'generic', subject }
}

/** The number of a family, null when the kernel has none of that name; it loads the module that brings it. */
export function findFamily(socket: RouteSocket, name: string): number | null {
  const request = genericRequest({
    family: GENL_ID_CTRL,
    command: CTRL_CMD_GETFAMILY,
    version: 1,
    attributes: [attributeString(CTRL_ATTR_FAMILY_NAME, name)],
    subject: `family ${name}`,
  })
  try {
    const { body } = socket.get(request)
    return numberAttribute(decodeAttributes(body, genlmsghdr.size), CTRL_ATTR_FAMILY_ID)
  } catch (error) {
    if (isNetlinkError(error, 'ENOENT')) return null
    throw error
  }
}
