/** DHCP messages (RFC 2131, section 2; options RFC 2132). Pure. */
import { formatIp, parseIp } from '../../values/ip.ts'
import { formatMac, parseMac } from '../../values/mac.ts'

export const messageTypes = { discover: 1, offer: 2, request: 3, ack: 5, nak: 6, release: 7 } as const
export type MessageType = keyof typeof messageTypes

const options = {
  subnetMask: 1,
  router: 3,
  nameServers: 6,
  hostname: 12,
  requestedAddress: 50,
  leaseTime: 51,
  overload: 52,
  messageType: 53,
  serverId: 54,
  parameters: 55,
  maximumSize: 57,
  renewalTime: 58,
  rebindingTime: 59,
  clientId: 61,
} as const

const headerBytes = 236
const magic = Buffer.from([99, 130, 83, 99])
/** Some relays drop shorter ones (RFC 1542, section 2.1). */
const minimumBytes = 300
/** Seconds. A lease that is given for no time at all would be asked for again and again without a pause. */
const shortestLease = 16
const fileAt = 108
const serverNameAt = 44

export interface ClientMessage {
  readonly type: MessageType
  readonly transaction: number
  /** since the client began to ask */
  readonly seconds: number
  readonly mac: string
  readonly clientId: Buffer
  /** '' for none */
  readonly hostname: string
  /** The address that the client has, '' for none. */
  readonly address: string
  /** The address that it would like, or has been offered, '' for none. */
  readonly requested: string
  /** Of the server that is meant, '' for any. */
  readonly serverId: string
  /** Whether the answer must be sent to everybody, because the client has no address yet. */
  readonly broadcast: boolean
}

export interface ServerMessage {
  readonly type: MessageType
  readonly transaction: number
  readonly mac: string
  /** with prefix length */
  readonly address: string
  /** '' for none */
  readonly router: string
  readonly nameServers: readonly string[]
  readonly serverId: string
  /** seconds */
  readonly leaseTime: number
  readonly renewalTime: number
  readonly rebindingTime: number
}

export function encodeMessage(message: ClientMessage): Buffer {
  const header = Buffer.alloc(headerBytes)
  // BOOTREQUEST on Ethernet with addresses of six bytes
  header.set([1, 1, 6])
  header.writeUInt32BE(message.transaction, 4)
  header.writeUInt16BE(Math.min(message.seconds, 0xffff), 8)
  header.writeUInt16BE(message.broadcast ? 0x8000 : 0, 10)
  if (message.address !== '') header.set(parseIp(message.address), 12)
  header.set(parseMac(message.mac), 28)
  const bytes = Buffer.concat([header, magic, ...encodeOptions(message), Buffer.from([255])])
  return bytes.length >= minimumBytes ? bytes : Buffer.concat([bytes], minimumBytes)
}

function encodeOptions(message: ClientMessage): Buffer[] {
  const { type, requested, serverId, hostname, clientId } = message
  const asks = type === 'discover' || type === 'request'
  return [
    option(options.messageType, [messageTypes[type]]),
    option(options.clientId, clientId),
    ...(requested === '' ? [] : [option(options.requestedAddress, parseIp(requested))]),
    ...(serverId === '' ? [] : [option(options.serverId, parseIp(serverId))]),
    ...(asks && hostname !== '' ? [option(options.hostname, Buffer.from(hostname).subarray(0, 63))] : []),
    ...(asks
      ? [option(options.maximumSize, [1500 >> 8, 1500 & 0xff]), option(options.parameters, wanted)]
      : []),
  ]
}

const wanted = [
  options.subnetMask,
  options.router,
  options.nameServers,
  options.leaseTime,
  options.renewalTime,
  options.rebindingTime,
]

function option(code: number, value: ArrayLike<number>): Buffer {
  return Buffer.from([code, value.length, ...Array.from(value)])
}

/** Null for what is no answer of a DHCP server. */
export function decodeMessage(bytes: Buffer): ServerMessage | null {
  if (bytes.length < headerBytes + magic.length || bytes[0] !== 2) return null
  if (!bytes.subarray(headerBytes, headerBytes + magic.length).equals(magic)) return null
  const found = readAllOptions(bytes)
  const code = found.get(options.messageType)?.[0]
  const type = (Object.keys(messageTypes) as MessageType[]).find((name) => messageTypes[name] === code)
  if (type === undefined) return null
  const addresses = (option: number): string[] => readAddresses(found.get(option))
  const leaseTime = Math.max(shortestLease, readSeconds(found.get(options.leaseTime)) ?? 0)
  const seconds = (option: number, otherwise: number): number => {
    const given = readSeconds(found.get(option))
    return given !== undefined && given > 0 && given < leaseTime ? given : otherwise
  }
  const rebindingTime = seconds(options.rebindingTime, (leaseTime * 7) / 8)
  const prefix = prefixOf(found.get(options.subnetMask))
  return {
    type,
    transaction: bytes.readUInt32BE(4),
    mac: formatMac(bytes.subarray(28, 34)),
    address: `${formatIp(bytes.subarray(16, 20))}/${prefix}`,
    router: addresses(options.router)[0] ?? '',
    nameServers: addresses(options.nameServers),
    serverId: addresses(options.serverId)[0] ?? '',
    leaseTime,
    renewalTime: Math.min(seconds(options.renewalTime, leaseTime / 2), rebindingTime),
    rebindingTime,
  }
}

/** Options may go on in the header's fields for a file's and the server's name (option 52). */
function readAllOptions(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>()
  readOptions(bytes.subarray(headerBytes + magic.length), found)
  const overload = found.get(options.overload)?.[0] ?? 0
  if (overload & 1) readOptions(bytes.subarray(fileAt, headerBytes), found)
  if (overload & 2) readOptions(bytes.subarray(serverNameAt, fileAt), found)
  return found
}

/** Of several options of one code the values belong together (RFC 3396). */
function readOptions(bytes: Buffer, found: Map<number, Buffer>): void {
  for (let at = 0; at < bytes.length && bytes[at] !== 255; ) {
    const code = bytes[at]!
    if (code === 0) {
      at++
      continue
    }
    const length = bytes[at + 1] ?? 0
    const value = bytes.subarray(at + 2, at + 2 + length)
    found.set(code, Buffer.concat([found.get(code) ?? Buffer.alloc(0), value]))
    at += 2 + length
  }
}

function readAddresses(value: Buffer | undefined): string[] {
  const count = Math.floor((value?.length ?? 0) / 4)
  return Array.from({ length: count }, (_, index) => formatIp(value!.subarray(index * 4, index * 4 + 4)))
}

function readSeconds(value: Buffer | undefined): number | undefined {
  return value?.length === 4 ? value.readUInt32BE(0) : undefined
}

/** A network without a mask is one of 254 hosts: what remains of classes. */
function prefixOf(mask: Buffer | undefined): number {
  if (mask?.length !== 4) return 24
  return Math.clz32(~mask.readUInt32BE(0))
}
