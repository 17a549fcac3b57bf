/** Netlink attributes: length, type, payload, each padded to four bytes (netlink(7), <linux/netlink.h>). */
import { NLA_F_NESTED, NLA_TYPE_MASK } from '../sys/constants/netlink.ts'
import { struct, u16 } from '../sys/layout.ts'
import { NetlinkDecodeError } from './error.ts'

export const nlattr = struct({ len: u16, type: u16 })

/** Attributes by type. Views of the message they came in. */
export type Attributes = ReadonlyMap<number, Buffer>

/** Up to the next multiple of NLA_ALIGNTO, which is NLMSG_ALIGNTO and RTA_ALIGNTO too. */
export function alignNetlink(length: number): number {
  return (length + 3) & ~3
}

/** One attribute with its padding. The payload is copied. */
export function attribute(type: number, payload: Uint8Array): Buffer {
  const length = nlattr.size + payload.length
  const buffer = Buffer.alloc(alignNetlink(length))
  nlattr.write(buffer, 0, { len: length, type })
  buffer.set(payload, nlattr.size)
  return buffer
}

export function attributeU8(type: number, value: number): Buffer {
  return attribute(type, Buffer.of(value))
}

export function attributeU16(type: number, value: number): Buffer {
  const payload = Buffer.alloc(2)
  payload.writeUInt16LE(value)
  return attribute(type, payload)
}

/** In network byte order, as ports are. */
export function attributeU16be(type: number, value: number): Buffer {
  const payload = Buffer.alloc(2)
  payload.writeUInt16BE(value)
  return attribute(type, payload)
}

export function attributeU32(type: number, value: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32LE(value)
  return attribute(type, payload)
}

/** With the terminating zero that the kernel's NLA_NUL_STRING wants. */
export function attributeString(type: number, value: string): Buffer {
  return attribute(type, Buffer.from(`${value}\0`))
}

/** An attribute made of attributes, flagged as such: some parsers of the kernel look at the flag. */
export function attributeNested(type: number, ...parts: readonly Buffer[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(parts))
}

/** Reads attributes from `start` to the buffer's end. Of several of one type the last counts. Throws NetlinkDecodeError. */
export function decodeAttributes(buffer: Buffer, start = 0): Attributes {
  const attributes = new Map<number, Buffer>()
  visitAttributes(buffer, start, (type, payload) => void attributes.set(type, payload))
  return attributes
}

function visitAttributes(
  buffer: Buffer,
  start: number,
  visit: (type: number, payload: Buffer) => void,
): void {
  let at = start
  while (at + nlattr.size <= buffer.length) {
    const length = buffer.readUInt16LE(at + nlattr.offsets.len)
    if (length < nlattr.size || at + length > buffer.length) {
      throw new NetlinkDecodeError(`attribute of ${length} bytes among ${buffer.length - at} left`, at)
    }
    const type = buffer.readUInt16LE(at + nlattr.offsets.type) & NLA_TYPE_MASK
    visit(type, buffer.subarray(at + nlattr.size, at + length))
    at += alignNetlink(length)
  }
}

/** The payloads of attributes in their order, where a list has no types; none when it is absent. */
export function decodeAttributeList(payload: Buffer | undefined): Buffer[] {
  const payloads: Buffer[] = []
  if (payload !== undefined) visitAttributes(payload, 0, (_type, part) => void payloads.push(part))
  return payloads
}

/** A nested attribute's own attributes; none when it is absent. */
export function nestedAttributes(attributes: Attributes, type: number): Attributes {
  const payload = attributes.get(type)
  return payload === undefined ? new Map() : decodeAttributes(payload)
}

/** An unsigned number of 1, 2 or 4 bytes, or null when the attribute is absent. */
export function numberAttribute(attributes: Attributes, type: number): number | null {
  const payload = attributes.get(type)
  if (payload === undefined) return null
  if (![1, 2, 4].includes(payload.length)) {
    throw new NetlinkDecodeError(`number of ${payload.length} bytes in attribute ${type}`, 0)
  }
  return payload.readUIntLE(0, payload.length)
}

/** Text up to the first zero byte, '' when the attribute is absent. */
export function stringAttribute(attributes: Attributes, type: number): string {
  const payload = attributes.get(type)
  if (payload === undefined) return ''
  const end = payload.indexOf(0)
  return payload.toString('utf8', 0, end === -1 ? payload.length : end)
}
