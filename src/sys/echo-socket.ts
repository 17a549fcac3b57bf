/**
 * Echo requests and their answers by raw sockets (raw(7), RFC 792, RFC 4443). Ping sockets would be simpler, but a namespace may have them
 * switched off (net.ipv4.ping_group_range).
 */
import { randomInt } from 'node:crypto'
import { constants } from 'node:os'
import {
  AF_INET,
  AF_INET6,
  IP_MTU_DISCOVER,
  IP_PMTUDISC_PROBE,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_MTU_DISCOVER,
  IPV6_PMTUDISC_PROBE,
  MSG_DONTWAIT,
  SO_RCVBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_SOCKET,
} from './constants/socket.ts'
import { SyscallError } from './errno.ts'
import { Fd } from './fd.ts'
import { check, declare, lastErrno } from './libc.ts'
import { connectSocket, widenSendBuffer } from './socket.ts'

const nativeSocket = declare<[number, number, number], number>('int socket(int, int, int)')
const nativeSetsockopt = declare<[number, number, number, Buffer, number], number>(
  'int setsockopt(int, int, int, const void *, uint32_t)',
)
const nativeSend = declare<[number, Buffer, number, number], number>(
  'long send(int, const void *, size_t, int)',
)
const nativeReceive = declare<[number, Buffer, number, number], number>('long recv(int, void *, size_t, int)')

/** Type, code, check sum, identifier, sequence number. */
const headerSize = 8
const checksumAt = 2
const identifierAt = 4
const sequenceAt = 6

const kinds = {
  4: {
    domain: AF_INET,
    protocol: IPPROTO_ICMP,
    option: [IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE],
    request: 8,
    reply: 0,
    /** bytes of the IP header before what is sent */
    around: 20,
  },
  6: {
    domain: AF_INET6,
    protocol: IPPROTO_ICMPV6,
    option: [IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE],
    request: 128,
    reply: 129,
    around: 40,
  },
} as const

/** Bytes: dozens of the longest packets at once, and what the kernel needs around them. */
const buffer = 2 ** 23

/** The shortest packet that an echo request can be in, in bytes. */
export const shortestEcho = { 4: kinds[4].around + headerSize, 6: kinds[6].around + headerSize } as const

export interface EchoSocket {
  readonly fd: Fd
  readonly family: 4 | 6
  /** Tells its answers from others'. */
  readonly identifier: number
}

/**
 * A socket of the thread's present network namespace whose requests go to `address` and are never cut. Throws SyscallError, e.g.
 * `connect …: ENETUNREACH`.
 */
export function openEchoSocket(family: 4 | 6, address: string): EchoSocket {
  const { domain, protocol, option } = kinds[family]
  const type = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK
  const fd = new Fd(check(nativeSocket(domain, type, protocol), 'socket', 'for echo requests'))
  try {
    const [level, name, value] = option
    setNumber(fd, level, name, value)
    setNumber(fd, SOL_SOCKET, SO_RCVBUFFORCE, buffer)
    widenSendBuffer(fd.number, buffer)
    connectSocket(fd, address, 0)
    return { fd, family, identifier: randomInt(0x10000) }
  } catch (error) {
    fd.close()
    throw error
  }
}

function setNumber(fd: Fd, level: number, option: number, value: number): void {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  check(nativeSetsockopt(fd.number, level, option, bytes, bytes.length), 'setsockopt')
}

/**
 * Sends a request in a packet of `length` bytes, IP header included. False when it cannot leave, as a packet that is longer than the
 * interface's MTU, or one without a way.
 */
export function sendEcho({ fd, family, identifier }: EchoSocket, sequence: number, length: number): boolean {
  const { request, around } = kinds[family]
  const message = Buffer.alloc(length - around)
  message.writeUInt8(request)
  message.writeUInt16BE(identifier, identifierAt)
  message.writeUInt16BE(sequence, sequenceAt)
  // the kernel sums up those of IPv6
  if (family === 4) message.writeUInt16BE(checksum(message.subarray(0, headerSize)), checksumAt)
  return nativeSend(fd.number, message, message.length, MSG_DONTWAIT) >= 0
}

/** RFC 1071; behind the header there is nothing but zeros. */
function checksum(header: Buffer): number {
  let sum = 0
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return ~sum & 0xffff
}

/** The longest IPv4 header, and what is read behind it. */
const packet = Buffer.alloc(60 + headerSize)

/** The sequence number of the next answer, null when none waits. Throws SyscallError with what was reported instead, once. */
export function receiveEcho({ fd, family, identifier }: EchoSocket): number | null {
  for (;;) {
    const length = nativeReceive(fd.number, packet, packet.length, MSG_DONTWAIT)
    if (length < 0) {
      const errno = lastErrno()
      if (errno === constants.errno.EAGAIN) return null
      throw new SyscallError('recv', errno)
    }
    // that of IPv6 is kept back
    const at = family === 4 ? (packet[0]! & 0x0f) * 4 : 0
    const isOwn = packet[at] === kinds[family].reply && packet.readUInt16BE(at + identifierAt) === identifier
    if (length >= at + headerSize && isOwn) return packet.readUInt16BE(at + sequenceAt)
  }
}
