/** The frame around every netlink message (struct nlmsghdr), and the kernel's answer NLMSG_ERROR. */
import {
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSGERR_ATTR_MSG,
  NLMSGERR_ATTR_OFFS,
} from '../sys/constants/netlink.ts'
import * as rtnetlink from '../sys/constants/rtnetlink.ts'
import { i32, struct, u16, u32 } from '../sys/layout.ts'
import { alignNetlink, decodeAttributes, numberAttribute, stringAttribute } from './attribute.ts'
import { NetlinkDecodeError } from './error.ts'

export const nlmsghdr = struct({ len: u32, type: u16, flags: u16, seq: u32, pid: u32 })
export const nlmsgerr = struct({ error: i32, msg: nlmsghdr })

/** A message as received; `body` is what follows the header. */
export interface Message {
  /** RTM_* or NLMSG_* */
  readonly type: number
  /** NLM_F_* */
  readonly flags: number
  readonly sequence: number
  /** The port of the socket whose request this is or answers; 0 for what the kernel did by itself. */
  readonly sender: number
  readonly body: Buffer
}

/** A message to the kernel. */
export interface Request {
  /** RTM_* */
  readonly type: number
  /** NLM_F_* beside NLM_F_REQUEST, which every request has. */
  readonly flags: number
  readonly body: Buffer
  /** What error messages call the request where its type is none of rtnetlink's. */
  readonly name?: string
  /** The object, for error messages: a link's name, an address. */
  readonly subject: string
}

/** What the kernel answered to a request. `errno` 0 is its yes. */
export interface Acknowledgement {
  readonly errno: number
  readonly extack: string
  /** Bytes into the request's body, -1 when unknown. */
  readonly offset: number
}

const names = new Map(
  Object.entries(rtnetlink).flatMap(([name, value]) => (name.startsWith('RTM_') ? [[value, name]] : [])),
)

/** 'RTM_NEWLINK br-x': what error messages call a request. */
export function describeRequest(request: Request): string {
  const name = request.name ?? names.get(request.type) ?? `message ${request.type}`
  return `${name} ${request.subject}`.trimEnd()
}

export function encodeMessage(type: number, flags: number, sequence: number, body: Buffer): Buffer {
  const len = nlmsghdr.size + body.length
  return Buffer.concat([nlmsghdr.encode({ len, type, flags, seq: sequence }), body])
}

/** The messages of one datagram. Throws NetlinkDecodeError. */
export function decodeMessages(datagram: Buffer): Message[] {
  const messages: Message[] = []
  let at = 0
  while (at + nlmsghdr.size <= datagram.length) {
    const { len, type, flags, seq, pid } = nlmsghdr.decode(datagram, at)
    if (len < nlmsghdr.size || at + len > datagram.length) {
      throw new NetlinkDecodeError(`message of ${len} bytes among ${datagram.length - at} left`, at)
    }
    const body = datagram.subarray(at + nlmsghdr.size, at + len)
    messages.push({ type, flags, sequence: seq, sender: pid, body })
    at += alignNetlink(len)
  }
  return messages
}

/** Reads the body of NLMSG_ERROR: the errno, and after the echoed request the extended acknowledgement (NETLINK_EXT_ACK). */
export function decodeAcknowledgement(message: Message): Acknowledgement {
  const { error, msg } = nlmsgerr.decode(message.body)
  if ((message.flags & NLM_F_ACK_TLVS) === 0) return { errno: Math.abs(error), extack: '', offset: -1 }
  const echoed = (message.flags & NLM_F_CAPPED) === 0 ? alignNetlink(msg.len) - nlmsghdr.size : 0
  return { errno: Math.abs(error), ...decodeExtack(message.body, nlmsgerr.size + echoed) }
}

/** Reads the body of NLMSG_DONE, which ends a dump: an errno as in NLMSG_ERROR, then the extended acknowledgement. */
export function decodeDone(message: Message): Acknowledgement {
  if (message.body.length < i32.size) return { errno: 0, extack: '', offset: -1 }
  const errno = Math.abs(i32.read(message.body, 0))
  if ((message.flags & NLM_F_ACK_TLVS) === 0) return { errno, extack: '', offset: -1 }
  return { errno, ...decodeExtack(message.body, i32.size) }
}

function decodeExtack(body: Buffer, start: number): { extack: string; offset: number } {
  const attributes = decodeAttributes(body, start)
  const offset = numberAttribute(attributes, NLMSGERR_ATTR_OFFS)
  return {
    extack: stringAttribute(attributes, NLMSGERR_ATTR_MSG),
    offset: offset === null ? -1 : offset - nlmsghdr.size,
  }
}
